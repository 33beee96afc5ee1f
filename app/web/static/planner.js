// @ts-check
// The planner's week: tells the figures under the pointer, follows runs, and comes back renewed.
import { tick } from "./clock.js";
import { morph } from "./patch.js";
import { offer, say } from "./page.js";

/**
 * @typedef {{labels: string[], volume: (number | null)[], low: (number | null)[], high: (number | null)[],
 *   actual: (number | null)[], needed: (number | null)[], staffed: (number | null)[], said?: string[]}} Figures
 */

const charts = document.getElementById("charts");
const readout = document.getElementById("readout");
let figures = figuresOf();
let at = -1;

/** @returns {Figures | null} */
function figuresOf() {
  return JSON.parse(document.getElementById("figures")?.textContent ?? "null");
}

/** @param {number | null | undefined} value @param {number} digits */
const number = (value, digits = 0) =>
  value === null || value === undefined ? "–" : value.toLocaleString("en-GB", { maximumFractionDigits: digits });

/** Point at an interval; -1 for none. @param {number} i */
function point(i) {
  if (!figures || !readout || !charts) return;
  at = Math.min(i, figures.labels.length - 1);
  for (const cursor of /** @type {NodeListOf<HTMLElement>} */ (charts.querySelectorAll(".cursor"))) {
    cursor.hidden = at < 0;
    cursor.style.left = `${(100 * at) / figures.labels.length}%`;
    cursor.style.width = `${100 / figures.labels.length}%`;
  }
  if (at < 0) {
    readout.textContent = "";
    return;
  }
  const when = document.createElement("b");
  when.textContent = figures.labels[at] ?? "";
  readout.replaceChildren(when, " ", figures.said?.[at] ?? said(figures, at));
}

/** What an interval of the week says. @param {Figures} figures @param {number} at */
function said(figures, at) {
  const [low, high] = [figures.low[at], figures.high[at]];
  const band = low == null ? "" : ` (${number(low)}–${number(high)})`;
  const came = figures.actual[at] == null ? "" : `, came ${number(figures.actual[at])}`;
  const [need, have] = [figures.needed[at], figures.staffed[at]];
  return `forecast ${number(figures.volume[at], 1)}${band}${came} · needed ${number(need)}, on the roster ${number(have)}`;
}

charts?.addEventListener("pointermove", (event) => {
  const area = charts.querySelector("[data-plot]")?.getBoundingClientRect();
  if (!area || !figures) return;
  const share = (event.clientX - area.left) / area.width;
  point(share < 0 || share >= 1 ? -1 : Math.floor(share * figures.labels.length));
});
charts?.addEventListener("pointerleave", () => point(-1));
charts?.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (step === undefined || event.target !== charts) return;
  event.preventDefault();
  point(Math.max(at + step, 0));
});

for (const form of /** @type {NodeListOf<HTMLFormElement>} */ (document.querySelectorAll("form[data-auto]"))) {
  form.addEventListener("change", () => form.requestSubmit());
}

/** Which kinds of run change this page (none said: all), and which choice their result takes over. */
const results = /** @type {HTMLElement | null} */ (document.querySelector("[data-forget]"));
const awaited = results?.dataset.kinds?.split(" ");

/** Runs that this page has seen under way. @type {Set<string>} */
const under = new Set();
let timer = 0;

/** Ask how far the runs are: often while one is under way, rarely otherwise. */
async function follow() {
  clearTimeout(timer);
  const answer = document.hidden ? null : await fetch("/planner/runs").catch(() => null);
  const present = document.getElementById("runs");
  if (answer?.ok && present) {
    const template = document.createElement("template");
    template.innerHTML = await answer.text();
    const next = template.content.firstElementChild;
    if (next) morph(present, next);
    notice();
  }
  timer = setTimeout(follow, under.size ? 700 : 8_000);
}

/** See which runs have begun and which have ended since. */
function notice() {
  for (const each of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-run]"))) {
    under.add(each.dataset.run ?? "");
  }
  let renewed = false;
  for (const each of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-ended]"))) {
    if (!under.delete(each.dataset.ended ?? "")) continue;
    if (each.dataset.state === "done") renewed ||= !awaited || awaited.includes(each.dataset.kind ?? "");
    else say(`The run ${each.dataset.state === "cancelled" ? "was cancelled; nothing was saved." : "failed."}`, "bad");
  }
  if (!renewed) return;
  // What a run has made is shown rather than what was chosen before, but not instead of what is being written.
  const take = () => renew((address) => address.searchParams.delete(results?.dataset.forget ?? ""));
  if (writing()) offer("There is a new result.", "Show it", take);
  else take();
}

/** Whether a form was begun that loading the page anew would empty. */
function writing() {
  return choosing() || document.querySelector("form[data-touched]:not([data-auto], [data-started])") !== null;
}

/** Whether a list of choices may be open. */
function choosing() {
  return document.activeElement instanceof HTMLSelectElement;
}

/** Bring the page up to date in place, unless somebody is choosing something on it. */
async function refresh() {
  const present = document.getElementById("main");
  if (document.hidden || !present || choosing()) return;
  const answer = await fetch(location.href).catch(() => null);
  if (!answer?.ok || choosing()) return;
  const next = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("main");
  if (!next) return;
  morph(present, next);
  figures = figuresOf();
  tick();
}

/** Load the page anew, where it is. @param {(address: URL) => void} change */
function renew(change) {
  const address = new URL(location.href);
  change(address);
  location.replace(address);
}

document.addEventListener("sent", (event) => {
  const form = /** @type {HTMLFormElement} */ (event.target);
  const answer = /** @type {CustomEvent} */ (event).detail;
  if (form.dataset.started !== undefined) under.add(String(answer.run ?? answer.id));
  if (form.dataset.changed !== undefined) renew((address) => address.searchParams.set("plan", answer.id));
  else if (!form.dataset.then) void follow();
});

notice();
timer = setTimeout(follow, under.size ? 700 : 8_000);
document.addEventListener("visibilitychange", () => document.hidden || void follow());

const every = Number(/** @type {HTMLElement | null} */ (document.querySelector("[data-renew]"))?.dataset.renew ?? 0);
if (every) setInterval(refresh, every * 1000);
