// The search in rows goes on by itself, a quarter of a second of the server's time with each request, until a page is
// full, all rows are searched, or the reader stops it. Without a script the link under the rows does the same by hand.
(() => {
  const part = document.querySelector("[data-rows-search]"), link = part?.querySelector("[data-next]");
  const lines = part?.querySelector("[data-lines]"), said = part?.querySelector("[data-said]");
  if (!link || !lines || !said) return;
  const ENOUGH = 50, count = part.querySelector("[data-count]"), stop = part.querySelector("[data-stop-search]");
  const bar = part.querySelector(".dt-bar"), number = new Intl.NumberFormat(document.documentElement.lang);
  let asked = null, next = link.getAttribute("href");

  function rest() {
    asked = null;
    stop.hidden = true;
    bar.hidden = true;
    link.hidden = !next;
    if (next) link.setAttribute("href", next);
  }

  async function goOn(enough) {
    stop.hidden = false;
    bar.hidden = false;
    link.hidden = true;
    asked = new AbortController();
    try {
      while (next && asked && lines.children.length < enough) {
        const answer = await fetch(part.dataset.url + next.split("#")[0], { headers: { Accept: "application/json" }, signal: asked.signal });
        const told = await answer.json();
        if (!answer.ok) throw new Error(told.error);
        lines.insertAdjacentHTML("beforeend", told.html);
        next = told.next;
        said.textContent = told.said;
        count.textContent = number.format(lines.children.length);
        bar.firstElementChild.style.width = `${(told.searched * 100) / Math.max(1, told.total)}%`;
      }
    } catch (error) {
      if (error.name !== "AbortError") said.textContent = error instanceof TypeError ? part.dataset.lost : error.message;
    }
    rest();
  }

  stop.addEventListener("click", () => asked?.abort());
  link.addEventListener("click", (event) => {
    event.preventDefault();
    goOn(lines.children.length + ENOUGH);
  });
  goOn(ENOUGH);
})();
