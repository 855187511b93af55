// Parts of a page that follow what goes on: <div data-live="ADDRESS" data-live-every="700"> is asked for anew that often
// until an answer bears X-Live-Done. What the reader has opened, focused or selected stays as it is.
function keepLive(part) {
  const pause = Number(part.dataset.liveEvery) || 1000;
  let wait = pause, last = "";
  const opened = () => [...part.querySelectorAll("details")].map((one) => one.open);

  async function refresh() {
    if (!part.isConnected) return;
    if (document.hidden || isBusy(part)) return plan(pause);
    let answer;
    try {
      answer = await fetch(part.dataset.live, { headers: { "X-Requested-With": "live" }, redirect: "error" });
    } catch {
      return plan((wait = Math.min(wait * 2, 15000))); // the server is away: ask less often, go on when it is back
    }
    if (answer.status >= 500) return plan((wait = Math.min(wait * 2, 15000)));
    if (!answer.ok) return;
    wait = pause;
    const html = await answer.text();
    if (html !== last && !isBusy(part)) {
      const states = opened();
      part.innerHTML = html;
      part.querySelectorAll("details").forEach((one, place) => { if (states[place] !== undefined) one.open = states[place]; });
      part.dispatchEvent(new CustomEvent("live", { bubbles: true }));
      last = html;
    }
    if (answer.headers.has("X-Live-Done")) return part.removeAttribute("data-live");
    plan(pause);
  }

  function plan(delay) { setTimeout(refresh, delay); }
  plan(pause);
}

function isBusy(part) {
  const focus = document.activeElement;
  const typing = focus && part.contains(focus) && focus.matches("input, select, textarea");
  const selection = document.getSelection();
  return typing || (selection && !selection.isCollapsed && part.contains(selection.anchorNode));
}

function begin(root) { root.querySelectorAll("[data-live]").forEach(keepLive); }

if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", () => begin(document));
else begin(document);
