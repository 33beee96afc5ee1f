// @ts-check
// The lead's floor: keeps the lists live, filters them by team, opens a contact or an agent beside them.
import { now, run, sync, tick, timeOfDay } from "./clock.js";
import { watch } from "./live.js";
import { say } from "./page.js";
import { morph, patch, sweep } from "./patch.js";

/** @typedef {import("./stream.js").Message} Message */

const drawer = /** @type {HTMLDialogElement} */ (document.getElementById("drawer"));
let shown = "";

/** @param {Message} message */
function take(message) {
  if (message.kind === "state") {
    become(message.state);
    return;
  }
  sync(message.at, message.speed, message.received);
  if (message.kind === "clock") return;
  const stale = shown && concerns(message);
  if (message.kind === "all") sweep(message.set);
  patch(message.set, message.gone);
  choose(chosen());
  tick();
  if (stale) void show(shown);
}

/**
 * Whether a message, before it is shown, changes what the drawer shows: its own row, or one that links to it.
 * @param {import("./stream.js").Patch} message
 */
function concerns({ kind, set, gone }) {
  const key = shown.replace(/^\/(contact|agent|queue)s\//, "$1-");
  const link = `href="${shown}"`;
  const linked = (/** @type {string} */ id) => id === key || document.getElementById(id)?.querySelector(`a[${link}]`);
  return kind === "all" || gone.some(linked) || set.some(([id, html]) => linked(id) || html.includes(link));
}

/** @param {import("./stream.js").State["state"]} state */
function become(state) {
  if (state === "signed_out") {
    location.assign(`/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`);
    return;
  }
  const pulse = document.getElementById("pulse");
  const text = document.getElementById("pulse-text");
  const stale = document.getElementById("stale");
  if (!pulse || !text || !stale) return;
  pulse.dataset.state = state;
  text.textContent = { connecting: "connecting", live: "live", lost: "no connection" }[state];
  run(state !== "lost");
  document.body.classList.toggle("is-stale", state === "lost");
  stale.hidden = state !== "lost";
  if (state === "lost") {
    stale.textContent = `No connection since ${timeOfDay(now())}. What you see stands still; trying again.`;
    drawer.dataset.stale = stale.textContent;
  } else delete drawer.dataset.stale;
}

function chosen() {
  return new URLSearchParams(location.search).get("team") ?? "";
}

/** Show the rows of one team, or of all. @param {string} team */
function choose(team) {
  for (const link of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("#teams [data-choose]"))) {
    if (link.dataset.choose === team) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
  for (const row of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-list=queues] > tr"))) {
    row.classList.toggle("chosen", team !== "" && row.dataset.team === team);
  }
  for (const list of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-filter]"))) {
    const most = Number(list.dataset.atFirst ?? Infinity);
    let [listed, fitting] = [0, 0];
    for (const row of /** @type {HTMLCollectionOf<HTMLElement>} */ (list.children)) {
      const fits = team === "" || (row.dataset.teams ?? "").split(" ").includes(team);
      // A row may stand for many that are not listed.
      const more = Number(row.dataset.more ?? 0);
      if (fits) fitting += more || 1;
      if (fits && !more) listed += 1;
      row.hidden = !fits || listed > most;
    }
    const count = document.querySelector(`[data-count="${list.dataset.list}"]`);
    if (count) count.textContent = String(fitting);
    list.closest("details, section")?.classList.toggle("is-empty", fitting === 0);
    const rest = /** @type {HTMLElement | null} */ (document.querySelector(`[data-rest="${list.dataset.list}"]`));
    if (rest) {
      rest.hidden = listed <= most;
      rest.textContent = listed < fitting ? `Show ${listed} of ${fitting}` : `Show all ${fitting}`;
    }
  }
}

let asking = false;
let wanted = false;
let missed = false;

/** Show a contact or an agent beside the floor. @param {string} address */
async function show(address) {
  shown = address;
  wanted = true;
  // One question at a time: a slow answer must not undo what a later one has shown.
  if (asking) return;
  asking = true;
  while (wanted && shown) {
    wanted = false;
    await bring(shown);
  }
  asking = false;
}

/** @param {string} address */
async function bring(address) {
  const answer = await fetch(`${address}?part`, { signal: AbortSignal.timeout(10_000) }).catch(() => null);
  if (shown !== address) return;
  if (answer?.redirected) return become("signed_out");
  if (!answer?.ok) {
    if (!drawer.open) say(answer ? "That can't be shown." : "The service can't be reached.", "bad");
    return;
  }
  const template = document.createElement("template");
  template.innerHTML = await answer.text();
  const next = template.content.firstElementChild;
  const present = drawer.querySelector(`[data-shown="${address}"]`);
  if (!next || shown !== address) return;
  // What the lead is choosing right now must not be taken away.
  if (present && choosing()) {
    missed = true;
    return;
  }
  if (present) morph(present, next);
  else {
    const close = document.createElement("button");
    close.className = "close quiet";
    close.textContent = "Close";
    close.addEventListener("click", () => drawer.close());
    empty();
    drawer.append(close, next);
  }
  tick(drawer);
  if (!drawer.open) drawer.showModal();
  // The button that was pressed may be gone: who works by keyboard goes on in the drawer.
  else if (!drawer.contains(document.activeElement)) /** @type {HTMLElement | null} */ (drawer.querySelector(".close"))?.focus();
}

/** Take everything out of the drawer; what was said there lately stays on the page. */
function empty() {
  const notices = drawer.querySelector("#notices");
  if (notices) document.body.append(notices);
  drawer.replaceChildren();
}

/** Whether a list of choices of the drawer may be open. */
function choosing() {
  return drawer.contains(document.activeElement) && document.activeElement instanceof HTMLSelectElement;
}

/** Show what was held back while the lead was choosing. */
function catchUp() {
  if (!missed || !shown || choosing()) return;
  missed = false;
  void show(shown);
}

drawer.addEventListener("focusout", () => setTimeout(catchUp));
drawer.addEventListener("close", () => {
  shown = "";
  empty();
});
drawer.addEventListener("click", (event) => {
  if (event.target === drawer) drawer.close();
});
drawer.addEventListener("sent", (event) => {
  // A list once chosen from no longer follows what the service says, until it is reset.
  /** @type {HTMLFormElement} */ (event.target).reset();
  if (shown) void show(shown);
});

document.addEventListener("click", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  const link = /** @type {Element} */ (event.target).closest("a");
  if (!link) return;
  if (link.dataset.choose !== undefined) {
    event.preventDefault();
    const team = link.dataset.choose;
    history.replaceState(null, "", team ? `?team=${encodeURIComponent(team)}` : location.pathname);
    choose(team);
  } else if (link.dataset.drawer !== undefined) {
    event.preventDefault();
    void show(link.pathname);
  }
});

document.querySelector("[data-rest=contacts]")?.addEventListener("click", () => {
  document.querySelector("[data-list=contacts]")?.removeAttribute("data-at-first");
  choose(chosen());
});

choose(chosen());
tick();
watch(take);
