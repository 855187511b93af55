// Parts of a page that follow what goes on: <div data-live="ADDRESS" data-live-every="700"> is asked for anew that often
// until an answer bears X-Live-Done. What the reader has opened, focused or selected stays as it is. A part that gets
// nothing newer says so over itself, and goes on when it does.
const FAILURES_BEFORE_WORDS = 3;

function keepLive(part) {
  const pause = Number(part.dataset.liveEvery) || 1000;
  let wait = pause, last = "", failures = 0;
  const note = Object.assign(document.createElement("p"), { className: "fm-error fm-stale", role: "alert" });

  async function refresh() {
    if (!part.isConnected) return note.remove();
    if (document.hidden || isBusy(part)) return plan(pause);
    let answer, html;
    try {
      answer = await fetch(part.dataset.live, { headers: { "X-Requested-With": "live" }, redirect: "manual" });
      html = await answer.text();
    } catch {
      return failed(); // the server is away: ask less often, go on when it is back
    }
    if (!answer.ok) return failed(answer);
    wait = pause;
    failures = 0;
    note.remove();
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

  // A redirect leads to the log-in; other refusals (no right any more, deleted) are for good.
  function failed(answer) {
    const isLoggedOut = answer && (answer.type === "opaqueredirect" || answer.status === 401);
    const isFinal = answer && !isLoggedOut && answer.status < 500;
    failures += 1;
    if (isLoggedOut) say("loggedOut");
    else if (isFinal || failures >= FAILURES_BEFORE_WORDS) say("stale");
    if (!isFinal) plan((wait = Math.min(wait * 2, 15000)));
  }

  function say(what) {
    const text = document.getElementById("fm-live-words")?.dataset[what] || "";
    if (note.isConnected && note.textContent === text) return;
    note.textContent = text;
    part.before(note);
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
