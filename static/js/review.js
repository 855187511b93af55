// Judging one item after the other, with keys alone. A key presses what bears it (data-key). What is sent stays on the
// screen until the server has kept it; sending again is safe, because the server knows an item and a person by heart.
(() => {
  const root = document.getElementById("review");
  if (!root) return;
  const told = document.querySelector("[data-told]"), failed = document.querySelector("[data-failed]");
  const words = JSON.parse(document.getElementById("review-words").textContent);
  const headers = { "X-Requested-With": "fetch" };
  let isSending = false, isAway = false, touched = 0, went = 0, clock = 0, wake = null;

  const form = () => root.querySelector("form");
  const say = (text) => { told.textContent = ""; requestAnimationFrame(() => { told.textContent = text; }); };
  const complain = (text, isWithNext) => {
    failed.querySelector("p").textContent = text;
    failed.querySelector("a").hidden = !isWithNext;
    failed.hidden = !text;
  };

  // Sending: again and again while the server is away, and once more where a new log-in has made the token stale.
  const ask = async (body) => {
    const reply = await fetch(location.href, { method: "POST", body, headers });
    if (reply.status >= 500) throw new Error(reply.status);
    if (reply.status === 403 && await renew(body)) return fetch(location.href, { method: "POST", body, headers });
    return reply;
  };

  const renew = async (body) => {
    const page = new DOMParser().parseFromString(await (await fetch(location.href)).text(), "text/html");
    const token = page.querySelector("#review [name=csrfmiddlewaretoken]")?.value;
    if (token) body.set("csrfmiddlewaretoken", token);
    return Boolean(token);
  };

  const until = (milliseconds) => new Promise((done) => { wake = done; setTimeout(done, milliseconds); });
  addEventListener("online", () => wake?.());

  const persist = async (body) => {
    for (let pause = 1000; ; pause = Math.min(pause * 2, 15000)) {
      try {
        const reply = await ask(body);
        isAway = false;
        return reply;
      } catch {
        isAway = true;
        complain(words.away);
        await until(pause);
      }
    }
  };

  const send = async (what) => {
    const sent = form();
    if (isSending || !sent) return;
    if (what === "submit" && !isAnswered(sent)) return complain(words.chooseFirst);
    const body = new FormData(sent);
    body.set("do", what);
    isSending = sent.inert = true;
    root.setAttribute("aria-busy", "true");
    try {
      await take(await persist(body), what);
    } finally {
      isSending = sent.inert = false;
      root.removeAttribute("aria-busy");
    }
    if (failed.hidden) begin();
  };

  const take = async (reply) => {
    if (reply.redirected || !reply.headers.get("Content-Type")?.includes("json")) return complain(words.loggedOut);
    const { html, error, isGone, message } = await reply.json();
    if (error) return complain(error, isGone);
    complain("");
    root.innerHTML = html;
    say(message);
  };

  const isAnswered = (sent) => !sent.dataset.needs || Boolean(new FormData(sent).getAll(sent.dataset.needs).join("").trim());

  // An item is kept for a person for some minutes; who works on it keeps it.
  const prolong = async () => {
    const body = new FormData(form());
    body.set("do", "keep");
    const reply = await fetch(location.href, { method: "POST", body, headers }).catch(() => null);
    const said = reply?.ok && !reply.redirected ? await reply.json() : {};
    if (said.left) watch(said.left);
  };

  const watch = (seconds) => {
    clearInterval(clock);
    const line = root.querySelector("[data-lock]"), end = Date.now() + seconds * 1000;
    if (!line || !seconds) return;
    const margin = Math.min(90, seconds / 3) * 1000;
    line.hidden = true;
    clock = setInterval(() => {
      const left = end - Date.now();
      if (isSending || left > margin) return;
      if (left > 0 && Date.now() - touched < 60000) { clearInterval(clock); return prolong(); }
      line.querySelector("span").textContent = left > 0 ? words.runsOut.replace("{seconds}", Math.ceil(left / 1000)) : words.ranOut;
      line.querySelector("button").hidden = left <= 0;
      line.hidden = false;
      if (left <= 0) clearInterval(clock);
    }, 1000);
  };

  // What a key does.
  const nameOf = ({ key, code }) => {
    if (/^[!-~]$/.test(key)) return key.toLowerCase();
    if (/^Key[A-Z]$/.test(code)) return code[3].toLowerCase(); // the keyboard writes Hangul
    return /^(Digit|Numpad)\d$/.test(code) ? code.at(-1) : key;
  };

  const press = (one) => {
    if (one.matches("textarea, input[type=text]")) return one.focus();
    const fold = one.matches("summary") && one.parentElement;
    if (!fold) return one.click();
    fold.open = true;
    fold.querySelector("textarea, input[type=text]:only-of-type, input")?.focus();
  };

  const fold = () => {
    for (const open of root.querySelectorAll("details[data-panel][open]")) open.open = Boolean(open.querySelector("textarea")?.value);
    const other = root.querySelector("[data-other]:checked");
    if (other) other.checked = false;
    root.querySelector("[data-item]")?.focus();
  };

  const confirm = (element) => {
    const panel = element.closest("details[data-panel]");
    const button = panel?.querySelector("button[name=do]");
    button ? button.click() : send("submit");
  };

  const inBox = (event, box, key) => {
    if (event.isComposing || event.keyCode === 229) return false;
    if (key === "Escape") { fold(); return true; }
    if (key !== "Enter" || event.shiftKey) return false;
    if (box.matches("[data-narrow]")) root.querySelector("[data-choice]:not([hidden]) input")?.click();
    else confirm(box);
    return true;
  };

  const onPage = (event, key) => {
    if (key === "Escape") { fold(); return true; }
    if (key === "Enter") {
      if (event.target.closest("button, summary, a")) return false;
      confirm(event.target);
      return true;
    }
    const scope = root.querySelector("details[data-scope][open]") || (root.querySelector("[data-other]:checked") && root.querySelector("[data-other-answer]")) || root;
    const named = key === "?" ? [document.querySelector("[data-help]")] : [...scope.querySelectorAll(`[data-key="${CSS.escape(key)}"]:not([disabled])`)];
    const one = named.find((each) => each.checkVisibility()); // not what a closed panel holds
    if (one) press(one);
    return Boolean(one);
  };

  document.addEventListener("keydown", (event) => {
    const key = nameOf(event);
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (isSending) return key === "Enter" && event.preventDefault();
    touched = Date.now();
    const box = event.target.closest?.("textarea, input[type=text], input[type=search], select");
    if (!box && Date.now() - went < 1500) { went = 0; return; } // `g` and a letter lead elsewhere
    went = !box && key === "g" ? Date.now() : 0;
    if (box ? inBox(event, box, key) : onPage(event, key)) {
      event.preventDefault();
      event.stopImmediatePropagation();
    }
  }, true);

  root.addEventListener("submit", (event) => {
    event.preventDefault();
    send(event.submitter?.value || "submit");
  });

  root.addEventListener("click", (event) => {
    if (event.target.closest("[data-keep]")) prolong();
    touched = Date.now();
  });

  root.addEventListener("input", (event) => {
    touched = Date.now();
    if (event.target.name === form()?.dataset.needs) complain("");
    if (!event.target.matches("[data-narrow]")) return;
    const wanted = event.target.value.trim().toLocaleLowerCase();
    for (const one of root.querySelectorAll("[data-choice]")) one.hidden = !one.textContent.toLocaleLowerCase().includes(wanted);
  });

  document.querySelector("[data-help]")?.addEventListener("click", () => document.getElementById("review-keys").showModal());
  failed.querySelector("button").addEventListener("click", () => (isAway ? wake?.() : complain("")));
  addEventListener("beforeunload", (event) => { if (isSending) event.preventDefault(); });

  const begin = () => {
    touched = 0;
    const now = form();
    if (!now) return;
    watch(Number(now.dataset.left));
    scrollTo({ top: 0 });
    (now.querySelector("textarea[name=answer]") || root.querySelector("[data-item]"))?.focus({ preventScroll: true });
  };
  begin();
})();
