// Parts of a page that follow what goes on: <div data-live="ADDRESS" data-live-every="700"> is asked for anew that often
// until an answer bears X-Live-Done. What the reader has opened, focused or selected stays as it is.
function keepLive(part) {
  const pause = Number(part.dataset.liveEvery) || 1000;
  let wait = pause, last = "";

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
      const fresh = part.cloneNode();
      fresh.innerHTML = html;
      patchChildren(part, fresh);
      part.dispatchEvent(new CustomEvent("live", { bubbles: true }));
      last = html;
    }
    if (answer.headers.has("X-Live-Done")) return part.removeAttribute("data-live");
    plan(pause);
  }

  function plan(delay) { setTimeout(refresh, delay); }
  plan(pause);
}

// Change only what differs, so that focus, hover and what the reader has opened stay, and widths glide.
function patch(old, fresh) {
  if (old.nodeName !== fresh.nodeName || old.id !== fresh.id) return old.replaceWith(fresh);
  if (old.nodeType !== Node.ELEMENT_NODE) return void (old.data !== fresh.data && (old.data = fresh.data));
  for (const { name } of [...old.attributes]) if (name !== "open" && !fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (name !== "open" && old.getAttribute(name) !== value) old.setAttribute(name, value);
  patchChildren(old, fresh);
}

function patchChildren(old, fresh) {
  const before = [...old.childNodes], after = [...fresh.childNodes];
  after.forEach((node, place) => (before[place] ? patch(before[place], node) : old.append(node)));
  before.slice(after.length).forEach((node) => node.remove());
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
