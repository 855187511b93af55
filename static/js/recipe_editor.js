// The editor of a recipe: steps as cards, a palette of kinds, undo, keys, and a preview that follows every change.
(() => {
  const { words, make, form, first, summary } = RecipeForms;
  const { draw, said, figure } = RecipePreview;
  const root = document.getElementById("recipe");
  const page = JSON.parse(document.getElementById("recipe-page").textContent);
  const kinds = new Map(page.kinds.map((kind) => [kind.kind, kind]));
  const at = (name) => root.querySelector(`[data-rc="${name}"]`);
  const [list, pane, told, sampled, saveButton, undoButton, version, note, runLink] = ["steps", "preview", "told", "sampled", "save", "undo", "version", "note", "run"].map(at);
  const copy = (value) => JSON.parse(JSON.stringify(value));

  let steps = page.steps, saved = JSON.stringify(steps), number = page.number, selected = steps.length ? 0 : -1;
  let past = [], seen = null, asked = 0, timer = 0, typing = null, dragged = null;

  const isChanged = () => JSON.stringify(steps) !== saved;
  const say = (text) => { told.textContent = ""; requestAnimationFrame(() => { told.textContent = text; }); };
  const unknown = (step) => ({ kind: step.kind, label: step.kind, help: words.unknownKind, icon: "help", family: "", params: [] });
  const kindOf = (step) => kinds.get(step.kind) || unknown(step);

  // Every change goes through here; typing into one field is one step of undo.
  const change = (what, field = null) => {
    if (field === null || field !== typing) past.push({ steps: copy(steps), selected });
    if (past.length > 200) past.shift();
    typing = field;
    what();
    mark();
    preview();
  };

  const mark = () => {
    const changed = isChanged();
    saveButton.disabled = !changed || !page.canChange;
    undoButton.disabled = !past.length;
    at("unsaved").hidden = !changed;
    saveButton.classList.toggle("fm-primary", changed);
    runLink.classList.toggle("fm-primary", !changed && steps.length > 0);
    if (version) runLink.href = `${page.runUrl}?version=${encodeURIComponent(version.value)}`;
  };

  const undo = () => {
    const last = past.pop();
    if (!last) return;
    ({ steps, selected } = last);
    typing = null;
    at("toast").hidden = true;
    render();
    mark();
    preview();
    say(words.undone);
  };

  const move = (from, to) => {
    if (to < 0 || to >= steps.length || from === to) return;
    change(() => { steps.splice(to, 0, ...steps.splice(from, 1)); selected = to; });
    render();
    focusCard(to);
    say(said(words.moved, { name: kindOf(steps[to]).label, place: to + 1, count: steps.length }));
  };

  const remove = (place) => {
    const name = kindOf(steps[place]).label;
    change(() => { steps.splice(place, 1); selected = Math.min(place, steps.length - 1); });
    render();
    at("toast-text").textContent = said(words.deleted, { name });
    at("toast").hidden = false;
    say(said(words.deleted, { name }));
    if (selected >= 0) focusCard(selected); else at("add").focus();
  };

  const add = (step, place) => {
    change(() => { steps.splice(place, 0, step); selected = place; });
    render();
    list.children[place]?.querySelector(".rc-form input, .rc-form select, .rc-form textarea")?.focus();
    say(said(words.added_, { name: kindOf(step).label, place: place + 1 }));
  };

  const choose = (place, isFocused) => {
    const isOpen = selected === place && list.children[place]?.classList.contains("rc-open");
    selected = place;
    render(isOpen ? place : -1);
    if (isFocused) focusCard(place);
    preview(0);
  };

  const focusCard = (place) => list.children[place]?.querySelector(".rc-head-button")?.focus();

  const icon = (name) => make("span", { className: "material-symbols-outlined", "aria-hidden": "true" }, name);
  const tool = (name, label, action, disabled) => make("button", { type: "button", className: "rc-icon", title: label, "aria-label": label, disabled: Boolean(disabled), on: { click: action } }, icon(name));

  const card = (step, place, folded) => {
    const kind = kindOf(step), isOpen = place === selected && place !== folded;
    const head = make("div", { className: "rc-head" },
      make("span", { className: "rc-grip", title: words.drag, "aria-hidden": "true", draggable: page.canChange }, icon("drag_indicator")),
      make("button", { type: "button", className: "rc-head-button", "aria-expanded": String(isOpen), on: { click: () => choose(place, true), keydown: (event) => keys(event, place) } },
        make("span", { className: "rc-number" }, String(place + 1)), icon(kind.icon),
        make("span", { className: "rc-name" }, make("b", {}, kind.label), make("small", {}, step.note || summary(kind, step)))),
      make("span", { className: "rc-rows fm-number" }));
    const item = make("li", { className: `rc-card${isOpen ? " rc-open" : ""}${step.is_enabled ? "" : " rc-off"}` }, head);
    item.dataset.place = place;
    if (isOpen) item.append(body(step, place, kind));
    drags(item, head.firstChild, place);
    return item;
  };

  // An empty text is a value where a cell or a choice may be one.
  const isSaid = (kind, name) => kind.params.some((param) => param.name === name && (param.form === "value" || param.choices.some((one) => one.value === "")));

  // Names that steps before this one give to the tokenizers that they train.
  const trained = (place) => steps.slice(0, place).filter((step) => step.kind === "train_tokenizer").map((step) => step.params.name || kindOf(step).params.find((param) => param.name === "name")?.default).filter(Boolean).map((name) => ({ value: name, label: name }));

  const body = (step, place, kind) => {
    const offered = { schema: seen?.schemas[place], versions: page.versions, tokenizers: [...trained(place), ...page.tokenizers] };
    const fields = form(kind, step, offered, (name, value, isDrawn) => {
      change(() => { if (value === null || (value === "" && !isSaid(kind, name))) delete step.params[name]; else step.params[name] = value; }, `${place}.${name}`);
      const line = list.children[place].querySelector(".rc-name small");
      line.textContent = step.note || summary(kind, step);
      if (isDrawn) { render(); list.children[place].querySelector(`[data-param="${name}"] :is(input, select, textarea)`)?.focus(); }
    });
    const remark = make("input", { type: "text", className: "sv-input", value: step.note || "", maxLength: 1000, placeholder: words.notePlaceholder, "aria-label": words.note, on: { input: (event) => change(() => { step.note = event.target.value; }, `${place}.note`) } });
    const tools = make("div", { className: "rc-tools" },
      make("label", { className: "rc-flag" }, make("input", { type: "checkbox", className: "rc-switch", checked: step.is_enabled, on: { change: (event) => { change(() => { step.is_enabled = event.target.checked; }); render(); } } }), words.isOn),
      tool("arrow_upward", words.up, () => move(place, place - 1), place === 0), tool("arrow_downward", words.down, () => move(place, place + 1), place === steps.length - 1),
      tool("content_copy", words.duplicate, () => add(copy(step), place + 1)), tool("delete", words.remove, () => remove(place)));
    const fieldset = make("fieldset", { disabled: !page.canChange }, fields, make("div", { className: "fm-field rc-remark" }, remark), tools);
    return make("div", { className: "rc-body" }, kind.help ? make("p", { className: "fm-hint rc-help" }, kind.help) : null, make("p", { className: "fm-error rc-wrong", hidden: true, role: "alert" }), fieldset);
  };

  const keys = (event, place) => {
    if (event.altKey && event.key === "ArrowUp") move(place, place - 1);
    else if (event.altKey && event.key === "ArrowDown") move(place, place + 1);
    else if (event.key === "ArrowDown" || event.key === "j") list.children[place + 1]?.querySelector(".rc-head-button").focus();
    else if (event.key === "ArrowUp" || event.key === "k") list.children[place - 1]?.querySelector(".rc-head-button").focus();
    else if (event.key === "Delete" && page.canChange) remove(place);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  const drags = (item, grip, place) => {
    grip.addEventListener("dragstart", (event) => { dragged = place; event.dataTransfer.setDragImage(item, 20, 20); event.dataTransfer.effectAllowed = "move"; item.classList.add("rc-dragged"); });
    grip.addEventListener("dragend", () => { dragged = null; render(); });
    item.addEventListener("dragover", (event) => {
      if (dragged === null) return;
      event.preventDefault();
      const isAfter = event.clientY > item.getBoundingClientRect().top + item.offsetHeight / 2;
      item.classList.toggle("rc-drop-after", isAfter);
      item.classList.toggle("rc-drop-before", !isAfter);
    });
    item.addEventListener("dragleave", () => item.classList.remove("rc-drop-after", "rc-drop-before"));
    item.addEventListener("drop", (event) => {
      if (dragged === null) return;
      event.preventDefault();
      const to = place + (item.classList.contains("rc-drop-after") ? 1 : 0);
      move(dragged, to > dragged ? to - 1 : to);
    });
  };

  const render = (folded = -1) => {
    list.replaceChildren(...steps.map((step, place) => card(step, place, folded)));
    at("none").hidden = steps.length > 0;
    show();
  };

  // What the last preview knows, beside the cards: rows in and out, what is wrong, and the rows of the chosen step.
  const show = () => {
    [...list.children].forEach((item, place) => {
      const step = seen?.steps[place], rows = item.querySelector(".rc-rows");
      const errors = Object.entries(seen?.errors || {}).filter(([field]) => field === `steps.${place}` || field.startsWith(`steps.${place}.`));
      rows.textContent = step?.state === "done" ? (step.rows_in === step.rows_out ? (step.changed ? said(words.short, { count: step.changed }) : step.is_reordered ? words.reordered : "") : `${figure.format(step.rows_in)} → ${figure.format(step.rows_out)}`) : "";
      item.classList.toggle("rc-broken", Boolean(errors.length) || step?.state === "failed");
      for (const block of item.querySelectorAll("[data-param]")) {
        const text = errors.find(([field]) => field === `steps.${place}.${block.dataset.param}`)?.[1] || "";
        block.classList.toggle("fm-wrong", Boolean(text));
        block.querySelector(".fm-field-error").textContent = text;
      }
      const shown = new Set([...item.querySelectorAll("[data-param]")].map((block) => `steps.${place}.${block.dataset.param}`));
      const rest = errors.filter(([field]) => !shown.has(field)).map(([, text]) => text);
      if (step?.state === "failed") rest.push(step.error);
      const box = item.querySelector(".rc-wrong");
      if (box) { box.hidden = !rest.length; box.textContent = rest.join(" "); }
    });
    if (!version || !version.value) return;
    at("what").textContent = selected >= 0 && steps[selected] ? said(words.stepDoes, { place: selected + 1, name: kindOf(steps[selected]).label }) : words.preview;
    if (!seen) return;
    sampled.textContent = seen.rows_total > seen.rows_looked_at ? said(words.sampled, { count: seen.rows_looked_at, total: seen.rows_total }) : said(words.allRows, { count: seen.rows_total });
    if (selected < 0) return pane.replaceChildren(make("p", { className: "fm-quiet" }, words.addFirst));
    const blocked = Object.keys(seen.errors).map((field) => Number(field.split(".")[1])).filter((place) => place <= selected);
    pane.replaceChildren(...(blocked.length ? [make("p", { className: "fm-quiet" }, said(words.fillIn, { place: Math.min(...blocked) + 1 }))] : draw(selected, seen.steps[selected], seen)));
  };

  const preview = (delay = 450) => {
    clearTimeout(timer);
    if (!version || !version.value) return;
    timer = setTimeout(ask, delay);
  };

  const ask = async () => {
    const mine = (asked += 1);
    pane.setAttribute("aria-busy", "true");
    const hadSchemas = JSON.stringify(seen?.schemas);
    try {
      const answer = await post(page.previewUrl, { version: version.value, steps, selected });
      if (mine !== asked) return;
      if (answer.error) return pane.replaceChildren(make("div", { className: "fm-error", role: "alert" }, answer.error.message));
      seen = answer;
      // Forms offer columns of the schema: draw them again when it changed, but not under the fingers.
      const isTyping = list.contains(document.activeElement) && document.activeElement.matches("input, textarea, select");
      if (hadSchemas !== JSON.stringify(seen.schemas) && !isTyping) { const inside = list.contains(document.activeElement); render(); if (inside) focusCard(selected); } else show();
    } catch {
      if (mine === asked) pane.replaceChildren(make("div", { className: "fm-error", role: "alert" }, words.away));
    } finally {
      if (mine === asked) pane.removeAttribute("aria-busy");
    }
  };

  const post = async (url, body) => {
    const reply = await fetch(url, { method: "POST", body: JSON.stringify(body), redirect: "error", headers: { "Content-Type": "application/json", "X-CSRFToken": root.querySelector("[name=csrfmiddlewaretoken]").value } });
    if (!reply.headers.get("Content-Type")?.includes("json")) throw new Error(reply.status);
    return reply.json();
  };

  const save = async () => {
    if (saveButton.disabled) return;
    saveButton.disabled = true;
    const sent = copy(steps), failed = at("failed");
    failed.hidden = true;
    try {
      const answer = await post(page.saveUrl, { steps: sent, based_on: number, note: note.value });
      if (answer.error) {
        failed.hidden = false;
        failed.replaceChildren(answer.error.message, ...(answer.error.code === "overtaken" ? [" ", make("a", { className: "fm-link", href: page.versionsUrl, target: "_blank", rel: "opener" }, words.lookAtVersions), " ", make("button", { type: "button", className: "fm-copy", on: { click: () => { number = answer.last; failed.hidden = true; save(); } } }, words.saveAnyway)] : []));
        failed.focus();
      } else {
        number = answer.number;
        saved = JSON.stringify(sent);
        note.value = "";
        at("number").textContent = said(words.versionNumber, { number });
        say(said(words.saved, { number }));
        at("saved").textContent = said(words.saved, { number });
      }
    } catch {
      failed.hidden = false;
      failed.textContent = words.away;
    }
    mark();
  };

  // The palette: kinds by family, found by their words.
  const palette = at("palette"), search = at("search"), found = at("kinds");
  const offer = () => {
    const wanted = search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const fitting = page.kinds.filter((kind) => wanted.every((word) => `${kind.label} ${kind.help} ${kind.kind} ${kind.family_label}`.toLowerCase().includes(word)));
    const families = [...new Set(fitting.map((kind) => kind.family_label))];
    found.replaceChildren(...families.map((family) => make("section", {}, make("h4", {}, family), make("div", { className: "rc-kinds" }, ...fitting.filter((kind) => kind.family_label === family).map((kind) =>
      make("button", { type: "button", className: "rc-kind", value: kind.kind, on: { click: () => pick(kind) } }, icon(kind.icon), make("span", {}, make("b", {}, kind.label), make("small", {}, kind.help.split(/(?<=[.。])\s/)[0]))))))));
    if (!fitting.length) found.replaceChildren(make("p", { className: "fm-quiet" }, words.noKind));
  };
  const pick = (kind) => {
    palette.close();
    const place = selected + 1;
    add({ kind: kind.kind, params: first(kind, seen?.schemas[Math.min(place, seen.schemas.length - 1)] || page.schema), is_enabled: true, note: "" }, place);
  };
  const openPalette = () => { search.value = ""; offer(); palette.showModal(); search.focus(); };
  for (const button of root.querySelectorAll("[data-rc-add]")) button.addEventListener("click", openPalette);
  search.addEventListener("input", offer);
  search.addEventListener("keydown", (event) => { if (event.key === "Enter" && !event.isComposing) { event.preventDefault(); found.querySelector("button")?.click(); } });
  palette.addEventListener("click", (event) => { if (event.target === palette) palette.close(); });

  undoButton.addEventListener("click", undo);
  at("toast-undo").addEventListener("click", undo);
  saveButton.addEventListener("click", save);
  version?.addEventListener("change", () => { seen = null; pane.replaceChildren(); mark(); preview(0); const url = new URL(location); url.searchParams.set("version", version.value); history.replaceState(null, "", url); });
  runLink.addEventListener("click", (event) => { if (isChanged()) { event.preventDefault(); const failed = at("failed"); failed.hidden = false; failed.textContent = words.saveFirst; } });
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.matches("input:not([type=checkbox]), textarea, select");
    if ((event.ctrlKey || event.metaKey) && event.key === "s") { event.preventDefault(); save(); }
    else if ((event.ctrlKey || event.metaKey) && event.key === "z" && !isTyping) { event.preventDefault(); undo(); }
    else if (event.key === "a" && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey && !palette.open && page.canChange) { event.preventDefault(); openPalette(); }
  });
  addEventListener("beforeunload", (event) => { if (isChanged()) event.preventDefault(); });

  root.hidden = false;
  render();
  mark();
  preview(0);
})();
