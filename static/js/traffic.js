// Sliders whose shares always add up to a hundred: what one takes, the others give in proportion.
for (const form of document.querySelectorAll("[data-shares]")) {
  const rows = [...form.querySelectorAll("[data-share]")].map((row) => ({
    before: Number(row.dataset.before),
    range: row.querySelector("[type=range]"),
    number: row.querySelector("[type=number]"),
    change: row.querySelector("[data-share-change]"),
  }));
  const parts = form.querySelectorAll("[data-share-part]");
  const sum = form.querySelector("[data-shares-sum]");
  const words = new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: 1 });
  const value = (row) => Math.min(100, Math.max(0, Math.round(Number(row.number.value) || 0)));

  const balance = (moved) => {
    const others = rows.filter((row) => row !== moved);
    let left = 100 - value(moved);
    const held = others.reduce((total, row) => total + value(row), 0);
    others.forEach((row, place) => {
      const fair = held ? (value(row) / held) * (100 - value(moved)) : (100 - value(moved)) / others.length;
      const given = place === others.length - 1 ? left : Math.min(left, Math.round(fair));
      row.number.value = given;
      left -= given;
    });
  };

  const show = () => {
    const total = rows.reduce((all, row) => all + value(row), 0);
    let moved = 0;
    rows.forEach((row, place) => {
      const now = value(row), change = now - row.before;
      moved += Math.max(0, change);
      row.range.value = now;
      parts[place].style.flexGrow = now;
      row.change.textContent = change ? `${change > 0 ? "+" : "−"}${Math.abs(change)}` : "";
    });
    const text = total !== 100 ? sum.dataset.bad : moved ? sum.dataset.good : sum.dataset.same;
    sum.textContent = text
      .replace("{sum}", total)
      .replace("{share}", moved)
      .replace("{count}", words.format((moved / 100) * Number(form.dataset.perMinute)));
    sum.classList.toggle("fm-field-error", total !== 100);
  };

  for (const row of rows) {
    row.range.hidden = false;
    row.range.addEventListener("input", () => {
      row.number.value = row.range.value;
      balance(row);
      show();
    });
    row.number.addEventListener("input", show);
    row.number.addEventListener("change", () => {
      if (rows.length === 2) balance(row);
      show();
    });
  }
  show();
}
