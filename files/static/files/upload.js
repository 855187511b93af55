// Upload of files: dropped or chosen, one after the other, each with its bar; unfinished ones go on when chosen again.
(() => {
  const page = document.getElementById("files-upload");
  const list = document.getElementById("uploads");
  const drop = document.getElementById("drop");
  const words = page.dataset;
  const token = page.querySelector("[name=csrfmiddlewaretoken]").value;
  const waiting = [];
  let current = null;
  const { size } = window.FluemanTransfer;

  const button = (text, kind, act) => {
    const made = Object.assign(document.createElement("button"), { type: "button", textContent: text, className: kind });
    made.addEventListener("click", act);
    return made;
  };

  const makeRow = (file) => {
    const row = document.createElement("li");
    row.className = "fl-item";
    row.innerHTML = '<div class="fl-line"><b></b><span class="fm-quiet"></span></div><div class="fm-progress"><i></i></div><div class="fl-line"><span class="fm-quiet"></span><span class="fl-buttons"></span></div>';
    row.querySelector("b").textContent = file.name;
    list.prepend(row);
    return row;
  };

  const draw = (transfer, problem) => {
    const { row, file, state } = transfer;
    const sent = Math.max(transfer.sent || 0, transfer.offset);
    const [, amount, said] = [...row.querySelectorAll(".fl-line > b, .fl-line > span:not(.fl-buttons)")];
    const buttons = row.querySelector(".fl-buttons");
    amount.textContent = state === "done" ? size(file.size) : `${size(sent)} ${words.of} ${size(file.size)}`;
    row.querySelector("i").style.width = `${state === "done" || !file.size ? 100 : (sent / file.size) * 100}%`;
    const texts = { waiting: words.waiting, paused: words.paused, lost: words.lost, checking: words.checking, done: words.done, failed: problem?.message || words.lost };
    if (state === "sending") {
      transfer.beganAt ??= { at: Date.now(), sent };
      const rate = (sent - transfer.beganAt.sent) / Math.max(Date.now() - transfer.beganAt.at, 1);
      said.textContent = rate > 0 ? words.left.replace("{time}", seconds((file.size - sent) / rate / 1000)) : "";
    } else said.textContent = texts[state] || "";
    if (row.dataset.state === state) return;
    row.dataset.state = state;
    row.classList.toggle("fl-failed", state === "failed");
    row.classList.toggle("fl-done", state === "done");
    buttons.replaceChildren();
    if (state === "sending" || state === "lost") buttons.append(button(words.pause, "fl-pause", () => transfer.pause()));
    if (state === "paused" || state === "failed") buttons.append(button(words.goOn, "fl-go-on", () => queue(transfer)));
    if (state === "done" && transfer.answer.file) buttons.append(Object.assign(document.createElement("a"), { href: transfer.answer.file, textContent: words.open }));
    if (state !== "done" && state !== "checking") buttons.append(button(words.cancel, "fl-cancel", () => forget(transfer)));
  };

  const seconds = (left) => {
    const whole = Math.max(1, Math.round(left));
    return whole < 60 ? `${whole}${words.seconds}` : `${Math.floor(whole / 60)}${words.minutes} ${whole % 60}${words.seconds}`;
  };

  const forget = async (transfer) => {
    const at = waiting.indexOf(transfer);
    if (at >= 0) waiting.splice(at, 1);
    transfer.row.remove();
    await transfer.cancel().catch(() => {});
  };

  const queue = (transfer) => {
    transfer.state = "waiting";
    transfer.beganAt = undefined;
    draw(transfer);
    waiting.push(transfer);
    next();
  };

  const next = async () => {
    if (current || !waiting.length) return;
    current = waiting.shift();
    await current.run().catch((problem) => problem);
    current = null;
    next();
  };

  const add = (files) => {
    for (const file of files) {
      const old = [...list.querySelectorAll("[data-url]")].find((row) => row.dataset.name === file.name.normalize("NFC") && Number(row.dataset.size) === file.size);
      const row = old || makeRow(file);
      const folder = document.getElementById("folder").value;
      const isPublic = document.getElementById("is-public")?.checked || false;
      const transfer = new window.FluemanTransfer(file, { begin: words.begin, token, loggedOut: words.loggedOut, folder, isPublic, url: old?.dataset.url || "", told: draw });
      transfer.row = row;
      transfer.offset = Number(old?.dataset.offset || 0);
      row.removeAttribute("data-url");
      if (file.size > Number(words.maxBytes)) {
        transfer.state = "failed";
        draw(transfer, new Error(words.tooLarge));
      } else queue(transfer);
    }
  };

  for (const row of list.querySelectorAll("[data-url]")) {
    row.querySelector("i").style.width = `${(row.dataset.offset / row.dataset.size) * 100}%`;
    row.querySelector(".fl-cancel").addEventListener("click", async () => {
      const url = row.dataset.url;
      row.remove();
      await new window.FluemanTransfer(new Blob(), { begin: words.begin, token, name: "", url }).cancel();
    });
  }
  const picker = document.getElementById("pick-files");
  picker.hasChangeListener = true; // else the theme looks for a text box beside it
  picker.addEventListener("change", (event) => {
    add(event.target.files);
    event.target.value = "";
  });
  for (const kind of ["dragenter", "dragover"]) {
    drop.addEventListener(kind, (event) => (event.preventDefault(), drop.classList.add("fl-over")));
  }
  for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.classList.remove("fl-over"));
  drop.addEventListener("drop", (event) => (event.preventDefault(), add(event.dataTransfer.files)));
  window.addEventListener("beforeunload", (event) => {
    if (current && current.state === "sending") event.preventDefault();
  });
})();
