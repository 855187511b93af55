// Requests: a choice in a list is applied at once.
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
});

// Try it: the answer comes without leaving the page; errors go to their inputs.
(() => {
  const form = document.querySelector("[data-try]");
  if (!form) return;
  const answer = document.getElementById("answer");
  const button = form.querySelector("[type=submit]");
  const label = button.textContent;

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    button.textContent = button.dataset.busy;
    try {
      const reply = await fetch(location.pathname, {
        method: "POST",
        body: filled(),
        headers: { "X-Requested-With": "fetch" },
      });
      if (reply.redirected) return complain(form.dataset.loggedOut);
      show(await reply.json());
    } catch {
      complain(form.dataset.lost);
    } finally {
      button.disabled = false;
      button.textContent = label;
    }
  });

  // The form with the token of the last log-in, which may be newer than the page.
  const filled = () => {
    const body = new FormData(form);
    const token = document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1];
    if (token) body.set("csrfmiddlewaretoken", token);
    return body;
  };

  // Nothing is sent again by itself: the call may have been answered and kept.
  const complain = (text) => {
    answer.replaceChildren(Object.assign(document.createElement("div"), { className: "fm-error", role: "alert", textContent: text }));
  };

  const show = ({ html, errors }) => {
    answer.innerHTML = html;
    const code = answer.querySelector("[data-code]");
    if (code) document.getElementById("code").replaceChildren(code.content);
    let first = null;
    for (const field of form.querySelectorAll("[data-input]")) {
      const error = errors[field.dataset.input] || "";
      field.classList.toggle("fm-wrong", Boolean(error));
      field.querySelector("[data-error]").textContent = error;
      if (error && !first) first = field.querySelector("textarea");
    }
    first?.focus();
  };

  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });

  form.addEventListener("click", (event) => {
    const fill = event.target.closest("[data-fill]");
    if (fill) document.getElementById(fill.dataset.fill).value = fill.dataset.sample;
  });

  for (const input of form.querySelectorAll("input[type=file]")) input.hasChangeListener = true; // else the theme looks for a text box beside it

  // A small file is shown in the box, where it can be changed; a large one is sent as it is.
  form.addEventListener("change", async (event) => {
    const input = event.target;
    if (input.type !== "file") return;
    const [file] = input.files;
    const name = input.closest("[data-input]").querySelector("[data-file-name]");
    name.textContent = file ? file.name : "";
    if (file && file.size < 200_000) {
      document.getElementById(input.dataset.into).value = await file.text();
      input.value = "";
    }
  });
})();

// Deployment: the first line follows the part that is shown anew.
(() => {
  const part = document.querySelector("[data-live]");
  const line = document.querySelector(".fm-headline");
  if (!part || !line) return;
  new MutationObserver(() => {
    const now = part.querySelector("[data-live-headline]");
    if (now && now.textContent !== line.textContent) line.textContent = now.textContent;
  }).observe(part, { childList: true, subtree: true });
})();
