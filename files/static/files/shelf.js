// The public shelf: keys, files that are dropped or chosen, and the grid that shows them once they are there.
(() => {
  const typing = (element) => /^(input|textarea|select)$/i.test(element.tagName);
  const items = () => [...document.querySelectorAll("[data-item]")];

  // Up and down go by what lies above and below, left and right by order.
  const step = (key) => {
    const all = items();
    const at = all.indexOf(document.activeElement);
    if (at < 0) return all[0]?.focus();
    if (key === "ArrowLeft" || key === "ArrowRight") return all[at + (key === "ArrowLeft" ? -1 : 1)]?.focus();
    const here = all[at].getBoundingClientRect();
    const isBeyond = (box) => (key === "ArrowDown" ? box.top > here.top + 4 : box.top < here.top - 4);
    const far = (box) => 1000 * Math.abs(box.top - here.top) + Math.abs(box.left - here.left);
    const beyond = all.filter((one) => isBeyond(one.getBoundingClientRect()));
    beyond.sort((one, other) => far(one.getBoundingClientRect()) - far(other.getBoundingClientRect()))[0]?.focus();
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || typing(event.target)) return;
    const link = { ArrowLeft: "[rel=prev]", ArrowRight: "[rel=next]", Escape: "[data-up]" }[event.key];
    const target = link && document.querySelector("[data-up]") && document.querySelector(link);
    if (target) {
      if (!/^(video|audio)$/i.test(event.target.tagName)) target.click();
    } else if (event.key === "/") document.querySelector("[data-search]")?.focus();
    else if (event.key.startsWith("Arrow") && items().length) step(event.key);
    else return;
    event.preventDefault();
  });

  const page = document.getElementById("shelf-upload");
  if (!page) return;
  const words = page.dataset;
  const token = page.querySelector("[name=csrfmiddlewaretoken]").value;
  const drop = document.getElementById("drop");
  const waiting = [];
  let isBusy = false;

  const button = (text, act) => {
    const made = Object.assign(document.createElement("button"), { type: "button", textContent: text });
    made.addEventListener("click", act);
    return made;
  };

  const draw = (transfer, problem) => {
    const { row, file, state } = transfer;
    const [said, bar, acts] = [row.querySelector("span"), row.querySelector("progress"), row.querySelector("div")];
    bar.value = state === "done" || !file.size ? 1 : Math.max(transfer.sent || 0, transfer.offset) / file.size;
    const texts = { failed: problem?.message || words.lost, sending: `${words.sending} · ${Math.round(bar.value * 100)} %` };
    said.textContent = texts[state] || words[state] || "";
    said.className = { failed: "sh-failed", done: "sh-done" }[state] || "sh-quiet";
    if (row.dataset.state === state) return;
    row.dataset.state = state;
    acts.replaceChildren();
    if (state === "failed") acts.append(button(words.again, () => queue(transfer)));
    if (state === "done") {
      bar.remove();
      if (transfer.answer.file) acts.append(Object.assign(document.createElement("a"), { href: transfer.answer.file, textContent: words.open }));
    } else if (state !== "checking") acts.append(button(words.cancel, () => forget(transfer)));
  };

  const forget = async (transfer) => {
    const at = waiting.indexOf(transfer);
    if (at >= 0) waiting.splice(at, 1);
    transfer.row.remove();
    await transfer.cancel().catch(() => {});
  };

  const queue = (transfer) => {
    transfer.state = "waiting";
    draw(transfer);
    waiting.push(transfer);
    next();
  };

  const next = async () => {
    if (isBusy) return;
    isBusy = true;
    while (waiting.length) await waiting.shift().run().catch((problem) => problem);
    isBusy = false;
    await refresh();
  };

  // What a job draws of a new picture is there a moment later.
  const refresh = async (tries = 3) => {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("shelf-files");
    if (fresh) document.getElementById("shelf-files").replaceWith(fresh);
    if (tries && document.querySelector(".sh-image > svg")) setTimeout(() => refresh(tries - 1), 2500);
  };

  const add = (files) => {
    for (const file of files) {
      const row = document.createElement("li");
      row.innerHTML = "<b></b><div></div><span></span><progress max=1 value=0></progress>";
      row.querySelector("b").textContent = file.name;
      document.getElementById("uploads").prepend(row);
      const transfer = new window.FluemanTransfer(file, { begin: words.begin, token, loggedOut: words.loggedOut, folder: words.folder, told: draw });
      transfer.row = row;
      if (file.size > Number(words.maxBytes)) {
        transfer.state = "failed";
        draw(transfer, new Error(words.tooLarge));
      } else queue(transfer);
    }
  };

  document.getElementById("pick-files").addEventListener("change", (event) => {
    add(event.target.files);
    event.target.value = "";
  });
  let depth = 0;
  document.addEventListener("dragenter", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    depth += 1;
    drop.hidden = false;
  });
  document.addEventListener("dragleave", () => {
    depth = Math.max(0, depth - 1);
    drop.hidden = depth === 0;
  });
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    drop.hidden = true;
    add(event.dataTransfer.files);
  });
  window.addEventListener("beforeunload", (event) => {
    if (isBusy) event.preventDefault();
  });
})();
