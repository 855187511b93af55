// Keys of the back office: `/` search, `g` then a letter to go, `j` and `k` in lists, `?` for help; and the copy buttons.
(() => {
  const typing = (element) => element.isContentEditable || /^(input|textarea|select)$/i.test(element.tagName);
  let going = 0;

  const step = (by) => {
    const links = [...document.querySelectorAll("#result_list tbody a[href], [data-rows] a[href]:first-of-type")].filter(
      (link) => link.closest("tr, li") && link === link.closest("tr, li").querySelector("a[href]"),
    );
    const next = links[links.indexOf(document.activeElement) + by] || links[by > 0 ? 0 : links.length - 1];
    if (next) next.focus();
  };

  const go = (key) => {
    const link = document.querySelector(`#fm-keys [data-go="${CSS.escape(key)}"]`);
    if (link) location.assign(link.href);
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || typing(event.target)) return;
    if (going && Date.now() - going < 1500) {
      going = 0;
      return go(event.key);
    }
    going = event.key === "g" ? Date.now() : 0;
    const search = document.querySelector("#searchbar, [data-search]");
    if (event.key === "/" && search) search.focus();
    else if (event.key === "?") document.getElementById("fm-keys")?.showModal();
    else if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
    else return;
    event.preventDefault();
  });

  document.addEventListener("click", (event) => {
    const row = event.target.closest("#result_list tbody tr");
    if (!row || event.target.closest("a, button, input, label, summary") || String(getSelection())) return;
    row.querySelector("a[href]")?.click();
  });

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    await copy(button.dataset.copy);
    button.classList.add("fm-copied");
    setTimeout(() => button.classList.remove("fm-copied"), 1500);
  });

  const copy = async (text) => {
    if (navigator.clipboard) return navigator.clipboard.writeText(text);
    // Browsers give the clipboard only to secure pages; a plain-http intranet needs the old way.
    const area = Object.assign(document.createElement("textarea"), { value: text });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  };
})();
