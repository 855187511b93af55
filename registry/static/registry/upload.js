// Upload: several files, a folder or a zip, dropped or chosen; progress while they are sent; then the version's page.
(() => {
  const form = document.getElementById("upload");
  const drop = document.getElementById("drop");
  const list = document.getElementById("chosen");
  const error = document.getElementById("upload-error");
  const progress = document.getElementById("progress");
  const button = form.querySelector("button.fm-primary");
  const chosen = new Map(); // path -> File

  const size = (bytes) => {
    const units = ["B", "KB", "MB", "GB"];
    const step = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(bytes, 1)) / 10));
    return `${(bytes / 1024 ** step).toFixed(step && bytes / 1024 ** step < 10 ? 1 : 0)} ${units[step]}`;
  };

  const show = () => {
    list.replaceChildren(
      ...[...chosen].map(([path, file]) => {
        const row = document.createElement("li");
        const name = Object.assign(document.createElement("span"), { textContent: path });
        const side = Object.assign(document.createElement("span"), { className: "fm-quiet", textContent: size(file.size) });
        const away = Object.assign(document.createElement("button"), { type: "button", textContent: "✕" });
        away.setAttribute("aria-label", path);
        away.addEventListener("click", () => (chosen.delete(path), show()));
        side.append(" ", away);
        row.append(name, side);
        return row;
      }),
    );
    const model = form.elements.model;
    const [first] = chosen.keys();
    if (first && !model.value) model.value = first.split("/")[0].replace(/\.(zip|safetensors|pt|pth)$/i, "").replace(/[^\p{L}\p{N}._-]+/gu, "-");
  };

  const add = (files) => {
    for (const file of files) chosen.set((file.path || file.webkitRelativePath || file.name).normalize("NFC"), file);
    show();
  };

  const walk = async (entry) => {
    if (entry.isFile) {
      const file = await new Promise((done, failed) => entry.file(done, failed));
      chosen.set(entry.fullPath.replace(/^\//, "").normalize("NFC"), file);
      return;
    }
    const reader = entry.createReader();
    for (;;) {
      const entries = await new Promise((done, failed) => reader.readEntries(done, failed));
      if (!entries.length) return;
      for (const inner of entries) await walk(inner);
    }
  };

  for (const id of ["pick-files", "pick-folder"]) {
    const input = document.getElementById(id);
    input.hasChangeListener = true; // else the theme looks for a text box beside it
    input.addEventListener("change", (event) => {
      add(event.target.files);
      event.target.value = "";
    });
  }
  for (const kind of ["dragenter", "dragover"]) {
    drop.addEventListener(kind, (event) => (event.preventDefault(), drop.classList.add("rg-over")));
  }
  for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.classList.remove("rg-over"));
  drop.addEventListener("drop", async (event) => {
    event.preventDefault();
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    for (const entry of entries) await walk(entry);
    if (!entries.length) add(event.dataTransfer.files);
    show();
  });

  const fold = () => {
    const architecture = form.elements.architecture.value;
    for (const group of form.querySelectorAll("[data-architecture]")) group.hidden = group.dataset.architecture !== architecture;
  };
  form.elements.architecture.addEventListener("change", fold);
  fold();

  const tell = (text, fields = {}) => {
    for (const old of form.querySelectorAll(".fm-field-error")) old.remove();
    const rest = [];
    for (const [name, words] of Object.entries(fields)) {
      const field = form.querySelector(`[data-field="${CSS.escape(name)}"]`) || form.querySelector(`[data-field="${CSS.escape(name.replace("arguments", form.elements.architecture.value))}"]`);
      if (!field) rest.push(`${name}: ${words}`);
      else {
        field.append(Object.assign(document.createElement("p"), { className: "fm-field-error", role: "alert", textContent: words }));
        field.closest("details")?.setAttribute("open", "");
      }
    }
    const placed = form.querySelector(".fm-field-error");
    const words = rest.length ? rest.join("\n") : placed ? "" : text;
    error.textContent = words;
    error.hidden = !words;
    progress.hidden = true;
    button.disabled = false;
    (words ? error : placed).scrollIntoView({ block: "center", behavior: "smooth" });
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const total = [...chosen.values()].reduce((sum, file) => sum + file.size, 0);
    if (total > Number(form.dataset.maxBytes)) return tell(form.dataset.tooLarge);
    const [bar, words] = [progress.querySelector("i"), progress.querySelector("p")];
    error.hidden = true;
    progress.hidden = false;
    bar.style.width = "0";
    button.disabled = true;
    send(total, bar, words).catch((problem) => tell(problem.message || form.dataset.lost, problem.fields));
  });

  // Each file goes in pieces that survive a broken connection; then the form names the uploads instead of the files.
  const ids = new WeakMap(); // File -> id, so that a form that was refused does not send its files again
  const send = async (total, bar, words) => {
    const body = new FormData(form);
    body.delete("files");
    let before = 0;
    for (const [path, file] of chosen) {
      const told = (one) => {
        const sent = before + Math.max(one.sent || 0, one.offset);
        bar.style.width = `${total ? (sent / total) * 100 : 100}%`;
        words.textContent = one.state === "lost" ? form.dataset.lost : `${size(sent)} ${form.dataset.of} ${size(total)}`;
      };
      const name = path.split("/").pop();
      const token = form.elements.csrfmiddlewaretoken.value;
      if (!ids.has(file)) {
        const transfer = new window.FluemanTransfer(file, { begin: form.dataset.begin, token, loggedOut: form.dataset.loggedOut, name, isTemporary: true, told });
        ids.set(file, (await transfer.run()).id);
      }
      before += file.size;
      body.append("uploads", ids.get(file));
      body.append("paths", path);
    }
    words.textContent = form.dataset.sent;
    body.set("csrfmiddlewaretoken", window.FluemanTransfer.token(body.get("csrfmiddlewaretoken")));
    const answer = await fetch(location.pathname, { method: "POST", body, headers: { Accept: "application/json" } });
    const said = await answer.json().catch(() => ({ error: answer.redirected ? form.dataset.loggedOut : form.dataset.lost }));
    if (said.url) location.assign(said.url);
    else tell(said.error, said.fields);
  };
})();
