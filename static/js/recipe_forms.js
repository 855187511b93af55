// The form of a step, made from what its kind says of its parameters. Each control hands its value to `change`.
const RecipeForms = (() => {
  const words = JSON.parse(document.getElementById("recipe-words").textContent);
  let count = 0;

  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "on") for (const [event, handler] of Object.entries(value)) element.addEventListener(event, handler);
      else if (name in element && name !== "list") element[name] = value;
      else element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  };

  const fits = (column, wants) =>
    !wants || (wants === "text" ? column.type === "text" : column.type === "integer" || column.type === "number");

  const option = (value, label, chosen) => make("option", { value, selected: chosen }, label);

  const select = (id, options, value, change, empty) => {
    const known = options.some((one) => one.value === value);
    const shown = empty === undefined ? [] : [option("", empty, !value)];
    if (value && !known) shown.push(option(value, words.notThere.replace("{name}", value), true));
    shown.push(...options.map((one) => option(one.value, one.label, one.value === value)));
    return make("select", { id, className: "sv-input", on: { change: (event) => change(event.target.value) } }, ...shown);
  };

  const columnsOf = (param, schema) =>
    (schema || []).filter((one) => fits(one, param.wants)).map((one) => ({ value: one.name, label: `${one.name} (${words.types[one.type] || one.type})` }));

  const typed = (id, value, change, more = {}) =>
    make("input", { id, className: "sv-input", type: "text", value: value ?? "", autocomplete: "off", spellcheck: false, ...more, on: { input: (event) => change(event.target.value) } });

  const area = (id, value, change, more = {}) =>
    make("textarea", { id, className: "sv-input", value: value ?? "", rows: 3, spellcheck: false, ...more, on: { input: (event) => change(event.target.value) } });

  // Chosen names as chips that can be taken away, and a list to add from.
  const chips = (id, options, value, change, isFree) => {
    const chosen = [...(value || [])], label = (name) => options.find((one) => one.value === name)?.label || name;
    const set = (names) => change(names, true);
    const add = isFree
      ? typed(id, "", () => {}, { placeholder: words.addColumn, on: { change: (event) => event.target.value.trim() && set([...chosen, event.target.value.trim()]) } })
      : select(id, options.filter((one) => !chosen.includes(one.value)), "", (name) => name && set([...chosen, name]), words.addColumn);
    const known = new Set(options.map((one) => one.value));
    const list = chosen.map((name, place) =>
      make("li", { className: isFree || known.has(name) ? "rc-chip" : "rc-chip rc-unknown" }, label(name),
        make("button", { type: "button", title: words.take.replace("{name}", name), "aria-label": words.take.replace("{name}", name), on: { click: () => set(chosen.filter((_, at) => at !== place)) } }, "×")));
    return make("div", { className: "rc-chips" }, chosen.length ? make("ul", {}, ...list) : null, add);
  };

  const boxes = (id, options, value, change) => {
    const chosen = new Set(value || []);
    return make("div", { className: "rc-boxes", id }, ...options.map((one) =>
      make("label", {}, make("input", { type: "checkbox", checked: chosen.has(one.value), on: { change: (event) => {
        event.target.checked ? chosen.add(one.value) : chosen.delete(one.value);
        const left = options.map((each) => each.value).filter((each) => chosen.has(each));
        change(left.length ? left : "", !left.length); // none chosen means the default, which is then shown
      } } }), one.label)));
  };

  // An expression, with the columns to write into it.
  const formula = (id, value, change, schema) => {
    const box = area(id, value, change, { className: "sv-input rc-code", rows: 2 });
    const put = (name) => {
      box.setRangeText(/^(?!(and|or|not|in|is|true|false|missing|null|none)$)[\p{L}_][\p{L}\p{N}_]*$/u.test(name) ? name : `\`${name}\``, box.selectionStart, box.selectionEnd, "end");
      box.dispatchEvent(new Event("input"));
      box.focus();
    };
    return make("div", {}, box, make("div", { className: "rc-names" }, ...(schema || []).slice(0, 12).map((one) => make("button", { type: "button", className: "fm-copy", on: { click: () => put(one.name) } }, one.name))));
  };

  const pairs = (id, value, change) => {
    const rows = Object.entries(value || {});
    if (!rows.length) rows.push(["", ""]);
    const read = () => change(Object.fromEntries(rows.filter(([name]) => name !== "")));
    const line = (row, place) => make("div", { className: "rc-pair" },
      typed(place ? `${id}-${place}` : id, row[0], (text) => { row[0] = text; read(); }, { "aria-label": words.from }), make("span", { "aria-hidden": "true" }, "→"),
      typed(`${id}-${place}-to`, row[1], (text) => { row[1] = text; read(); }, { "aria-label": words.to }),
      make("button", { type: "button", className: "rc-icon", "aria-label": words.takePair, on: { click: (event) => { rows.splice(rows.indexOf(row), 1); event.target.closest(".rc-pair").remove(); read(); } } }, "×"));
    const list = make("div", { className: "rc-pairs" }, ...rows.map(line));
    const more = make("button", { type: "button", className: "fm-copy", on: { click: () => { const row = ["", ""]; rows.push(row); list.append(line(row, rows.length - 1)); list.lastChild.querySelector("input").focus(); } } }, words.addPair);
    return make("div", {}, list, more);
  };

  const cell = (id, value, change) => {
    const kind = value === null || value === undefined ? "text" : typeof value === "number" ? "number" : typeof value === "boolean" ? "truth" : "text";
    const box = make("div", { className: "rc-value" });
    const draw = (now, given) => box.replaceChildren(
      select(`${id}-kind`, [{ value: "text", label: words.types.text }, { value: "number", label: words.types.number }, { value: "truth", label: words.types.truth }], now, (next) => { const first = next === "truth" ? true : next === "number" ? 0 : ""; change(first); draw(next, first); }),
      now === "truth" ? select(id, [{ value: "true", label: words.yes }, { value: "false", label: words.no }], String(given), (text) => change(text === "true"))
        : typed(id, given, (text) => change(now === "number" ? numberOf(text) : text), now === "number" ? { inputMode: "decimal" } : {}));
    draw(kind, value);
    return box;
  };

  const numberOf = (text) => (text.trim() === "" ? null : Number.isFinite(Number(text)) ? Number(text) : text);

  const controls = {
    column: (param, id, value, change, at) => at.schema ? select(id, columnsOf(param, at.schema), value, change, param.is_required ? words.choose : words.none) : typed(id, value, change),
    columns: (param, id, value, change, at) => chips(id, columnsOf(param, at.schema), value, change, !at.schema),
    choice: (param, id, value, change) => select(id, param.choices, value, (next) => change(next, true), param.is_required ? words.choose : undefined),
    choices: (param, id, value, change) => boxes(id, param.choices, value, change),
    integer: (param, id, value, change) => typed(id, value, (text) => change(numberOf(text)), { type: "number", step: 1, min: param.least ?? "", max: param.most ?? "" }),
    decimal: (param, id, value, change) => typed(id, value, (text) => change(numberOf(text)), { type: "number", step: "any", min: param.least ?? "", max: param.most ?? "" }),
    text: (param, id, value, change) => typed(id, value, change),
    pattern: (param, id, value, change) => typed(id, value, change, { className: "sv-input rc-code", placeholder: "[0-9]+" }),
    expression: (param, id, value, change, at) => formula(id, value, change, at.schema),
    lines: (param, id, value, change) => area(id, (value || []).join("\n"), (text) => change(text.split("\n").filter((line) => line !== "")), { rows: Math.min(8, Math.max(2, (value || []).length)) }),
    flag: (param, id, value, change) => make("input", { id, type: "checkbox", className: "rc-switch", checked: Boolean(value), on: { change: (event) => change(event.target.checked, true) } }),
    mapping: (param, id, value, change) => pairs(id, value, change),
    value: (param, id, value, change) => cell(id, value, change),
    version: (param, id, value, change, at) => select(id, at.versions, value, change, words.choose),
    tokenizer: (param, id, value, change, at) => select(id, at.tokenizers, value, change, param.is_required ? words.choose : words.none),
  };

  const isShown = (param, kind, params) => {
    if (!param.shown_if) return true;
    const other = kind.params.find((one) => one.name === param.shown_if.param);
    return param.shown_if.values.includes(params[param.shown_if.param] ?? other?.default) && (!other || isShown(other, kind, params));
  };

  // `at` holds what the form may offer: `schema` before the step, `versions`, `tokenizers`.
  const form = (kind, step, at, change) => {
    const fields = kind.params.filter((param) => isShown(param, kind, step.params)).map((param) => {
      const id = `rc-${(count += 1)}`, value = step.params[param.name] ?? param.default;
      const hint = param.help ? make("p", { className: "fm-hint", id: `${id}-hint` }, param.help) : null;
      const control = (controls[param.form] || controls.text)(param, id, value, (next, isDrawn) => change(param.name, next, isDrawn), at);
      if (control.matches("input, textarea") && typeof param.default !== "object" && param.default !== "" && !control.placeholder) control.placeholder = String(param.default);
      const target = control.id === id ? control : control.querySelector(`#${id}`);
      if (hint && target) target.setAttribute("aria-describedby", hint.id);
      const label = make("label", { htmlFor: id }, param.label, param.is_required ? make("small", { className: "rc-needed" }, words.needed) : null);
      const error = make("p", { className: "fm-field-error", role: "alert" });
      const field = param.form === "flag" ? [make("div", { className: "rc-flag" }, control, label), hint, error] : [label, control, hint, error];
      const block = make("div", { className: `fm-field rc-form-${param.form}` }, ...field);
      block.dataset.param = param.name;
      return block;
    });
    return make("div", { className: "rc-form" }, ...fields);
  };

  // What a new step begins with: columns that it can work on, so that its preview shows something at once.
  const first = (kind, schema) => {
    const params = {};
    for (const param of kind.params) {
      if (!param.is_required || !schema) continue;
      const fitting = schema.filter((one) => fits(one, param.wants));
      const best = fitting.find((one) => one.type === "text") || fitting[0];
      if (param.form === "column" && best) params[param.name] = best.name;
      if (param.form === "columns" && best) params[param.name] = [best.name];
      if (param.form === "choice" && param.choices.length) params[param.name] = param.choices[0].value;
    }
    return params;
  };

  // One line that says what a step is set to, for a folded card.
  const summary = (kind, step) => {
    const said = [];
    for (const param of kind.params) {
      const value = step.params[param.name];
      if (value === undefined || value === null || value === "" || !isShown(param, kind, step.params)) continue;
      if (JSON.stringify(value) === JSON.stringify(param.default)) continue;
      const named = (one) => param.choices.find((each) => each.value === one)?.label ?? String(one);
      if (param.form === "flag") said.push(param.label);
      else if (Array.isArray(value)) { if (value.length) said.push(value.slice(0, 3).map(named).join(", ") + (value.length > 3 ? "…" : "")); }
      else if (typeof value === "object") said.push(Object.entries(value).slice(0, 2).map((pair) => pair.join(" → ")).join(", "));
      else said.push(["column", "choice", "expression", "text", "pattern"].includes(param.form) ? named(value) : `${param.label} ${named(value)}`);
    }
    return said.join(" · ");
  };

  return { words, make, form, first, summary };
})();
