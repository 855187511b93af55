// What a step did to a few rows: before and after side by side, changed parts marked, dropped rows struck.
const RecipePreview = (() => {
  const { words, make } = RecipeForms;
  const figure = new Intl.NumberFormat(document.documentElement.lang);
  const unseen = { " ": "␣", "\t": "⇥", "\n": "⏎\n", "\r": "␍", "\u00a0": "⍽", "\u3000": "□", "\u200b": "⟨ZWSP⟩", "\u200c": "⟨ZWNJ⟩", "\u200d": "⟨ZWJ⟩", "\ufeff": "⟨BOM⟩", "\u00ad": "⟨SHY⟩" };

  // White space and characters that nobody sees are shown where they are what changed.
  const visible = (text, isMarked) => (isMarked ? text.replace(/[\t\n\r\u00a0\u3000\u200b-\u200d\ufeff\u00ad]|^ +| +$|^ $| {2,}/g, (found) => [...found].map((one) => unseen[one] || one).join("")) : text);

  const cell = (pieces, tag, isChanged) => {
    if (pieces === null) return make("span", { className: "rc-absent" });
    if (!pieces.length) return make("span", { className: "rc-missing" }, words.missing);
    if (!isChanged && pieces.every(([text]) => text === "")) return make("span", { className: "rc-missing" }, words.emptyText);
    const body = pieces.map(([text, isMarked]) => (isMarked ? make("mark", {}, visible(text, true) || words.emptyText) : text));
    return make(isChanged ? tag : "span", { className: isChanged ? (tag === "del" ? "fm-del" : "fm-ins") : "rc-text" }, ...body);
  };

  const isMarked = (pieces) => Boolean(pieces?.some(([, marked]) => marked));

  // Columns that the step touched come first: a reader looks for them, and a wide table shows no others.
  const touchedFirst = (shown) => {
    const isSame = (place) => Number(shown.columns[place].state === "same");
    const places = shown.columns.map((_, place) => place).sort((one, two) => isSame(one) - isSame(two) || one - two);
    return { sides: places.map((place) => shown.columns[place]), rows: shown.rows.map((row) => ({ ...row, cells: places.map((place) => row.cells[place]) })) };
  };

  const table = (shown) => {
    const { sides, rows } = touchedFirst(shown);
    const head = make("tr", {}, make("th", { scope: "col", className: "rc-row" }, words.row), ...sides.flatMap((one) => {
      const title = [one.name, make("small", {}, one.before && one.after && one.before !== one.after ? `${words.types[one.before] || one.before} → ${words.types[one.after] || one.after}` : words.types[one.after || one.before] || one.after || one.before)];
      if (one.state === "changed") return [make("th", { scope: "col", className: "rc-was" }, make("i", {}, words.before), ...title), make("th", { scope: "col" }, make("i", {}, words.after), ...title.map((node) => (node.cloneNode ? node.cloneNode(true) : node)))];
      const badge = one.state === "new" ? make("i", { className: "rc-new" }, words.newColumn) : one.state === "gone" ? make("i", { className: "rc-gone" }, words.goneColumn) : null;
      return [make("th", { scope: "col", className: `rc-${one.state}-column` }, badge, ...title)];
    }));
    const lines = rows.map((row) => make("tr", { className: `rc-${row.state}` },
      make("th", { scope: "row", className: "rc-row" }, figure.format(row.row + 1), row.state === "dropped" ? make("small", {}, words.dropped) : row.state === "new" ? make("small", {}, words.added) : null),
      ...row.cells.flatMap((one, place) => {
        const { state, name } = sides[place], changed = row.state === "changed" && (one.before === null) === (one.after === null) && JSON.stringify(one.before) !== JSON.stringify(one.after);
        const isOther = changed || isMarked(one.before) || isMarked(one.after);
        const label = (text) => ({ "data-label": text });
        if (state === "changed") return [
          make("td", { className: "rc-was", ...label(`${name} · ${words.before}`) }, cell(one.before, "del", isOther && one.before?.length)),
          make("td", label(`${name} · ${words.after}`), cell(one.after, "ins", isOther && one.after?.length), one.note ? make("small", { className: "rc-note" }, one.note) : null)];
        const isLong = (one.after ?? one.before)?.reduce((sum, [text]) => sum + text.length, 0) > 40;
        return [make("td", { className: `rc-${state}-column${isLong ? " rc-long" : ""}`, ...label(name) }, cell(state === "gone" ? one.before : one.after ?? one.before, "ins", state === "new" && isMarked(one.after)))];
      })));
    return make("div", { className: "fm-scroll rc-scroll", tabIndex: 0, role: "region", "aria-label": words.beforeAndAfter }, make("table", { className: `fm-table rc-table${sides.some((one) => one.state !== "same") ? " rc-touched" : ""}` }, make("thead", {}, head), make("tbody", {}, ...lines)));
  };

  const said = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => (typeof values[name] === "number" ? figure.format(values[name]) : values[name]));

  // One sentence: what the step did to the rows that were looked at.
  const sentence = (step) => {
    const parts = [];
    if (step.changed) parts.push(said(words.rowsChanged, { count: step.changed }));
    if (step.dropped) parts.push(said(words.rowsDropped, { count: step.dropped }));
    if (step.added) parts.push(said(words.rowsAdded, { count: step.added }));
    if (step.new_columns) parts.push(said(words.columnsNew, { count: step.new_columns }));
    if (step.gone_columns) parts.push(said(words.columnsGone, { count: step.gone_columns }));
    if (step.is_reordered) parts.push(words.reordered);
    return parts.join(" · ");
  };

  const value = (one) => {
    if (Array.isArray(one)) return one.every((each) => each === null || typeof each !== "object") ? one.join(", ") : make("ul", {}, ...one.map((each) => make("li", {}, value(each))));
    if (one !== null && typeof one === "object") return make("span", {}, Object.entries(one).map(([name, each]) => `${name}: ${typeof each === "object" && each !== null ? Object.values(each).join(" ") : each}`).join(" · "));
    return typeof one === "number" ? figure.format(one) : String(one ?? "–");
  };

  const report = (facts) => {
    const entries = Object.entries(facts || {});
    if (!entries.length) return null;
    return make("details", { className: "rc-report" }, make("summary", {}, words.report), make("dl", { className: "fm-facts" }, ...entries.flatMap(([name, one]) => [make("dt", {}, name.replaceAll("_", " ")), make("dd", {}, value(one))])));
  };

  const draw = (place, step, facts) => {
    if (!step || step.state === "waiting") return [make("p", { className: "fm-quiet" }, words.waits)];
    if (step.state === "off") return [make("p", { className: "fm-quiet" }, words.isOff)];
    if (step.state === "failed") return [make("div", { className: "fm-error", role: "alert" }, step.error)];
    const nodes = [make("p", { className: "rc-did" }, make("b", { className: "fm-number" }, `${figure.format(step.rows_in)} → ${figure.format(step.rows_out)}`), ` ${words.rows}`, make("span", { className: "fm-quiet" }, ` · ${sentence(step) || words.nothingChanged}`))];
    if (step.shown?.rows.length) nodes.push(table(step.shown));
    const hidden = (step.shown?.hidden_columns || 0) + (facts.hidden_columns || 0);
    if (hidden > 0) nodes.push(make("p", { className: "fm-hint" }, said(words.hiddenColumns, { count: hidden })));
    if (facts.cut_others?.length) nodes.push(make("p", { className: "fm-hint" }, said(words.othersCut, { names: facts.cut_others.join(", ") })));
    const told = report(step.report);
    if (told) nodes.push(told);
    return nodes;
  };

  return { draw, said, figure };
})();
