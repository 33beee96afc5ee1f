// @ts-check
// On every page: forms that speak to the API, and what is said about them.
import { now } from "./clock.js";

const ANSWER_MS = 60_000;

/**
 * Say something in a corner of the page for a while.
 * @param {string} text @param {"good" | "bad"} tone
 */
export function say(text, tone) {
  const notice = document.createElement("p");
  notice.className = `notice ${tone}`;
  if (tone === "bad") notice.setAttribute("role", "alert");
  notice.textContent = text;
  place(notice);
  setTimeout(() => notice.remove(), tone === "bad" ? 12_000 : 5_000);
}

/**
 * Say something that stays, with a button that does something about it.
 * @param {string} text @param {string} label @param {() => void} act
 */
export function offer(text, label, act) {
  document.querySelector(".notice.offer")?.remove();
  const notice = document.createElement("p");
  const button = document.createElement("button");
  notice.className = "notice good offer";
  button.textContent = label;
  button.addEventListener("click", act);
  notice.append(`${text} `, button);
  place(notice);
}

/**
 * Put a notice where it is seen and heard: what lies beside an open dialog is behind it, and inert.
 * @param {HTMLElement} notice
 */
function place(notice) {
  const notices = document.getElementById("notices");
  const front = document.querySelector("dialog:modal") ?? document.body;
  if (notices && notices.parentElement !== front) front.append(notices);
  notices?.append(notice);
}

/**
 * Send JSON to the API; null and a notice where it is refused.
 * @param {string} address @param {unknown} body @param {string} method
 * @returns {Promise<any>}
 */
export async function send(address, body, method = "POST") {
  const headers = { "content-type": "application/json" };
  let answer;
  try {
    const signal = AbortSignal.timeout(ANSWER_MS);
    answer = await fetch(address, { method, headers, body: body === null ? null : JSON.stringify(body), signal });
  } catch {
    // What was sent may have arrived all the same.
    say("The service does not answer. Look whether it was done before you try again.", "bad");
    return null;
  }
  if (answer.status === 204) return {};
  const said = await answer.json().catch(() => ({}));
  if (answer.ok) return said;
  say(said.detail ?? said.title ?? `Refused (${answer.status}).`, "bad");
  return null;
}

/** What a form holds, as the API takes it. @param {HTMLFormElement} form */
export function valuesOf(form) {
  /** @type {Record<string, any>} */
  const values = {};
  for (const field of form.elements) {
    if (!(field instanceof HTMLInputElement || field instanceof HTMLSelectElement || field instanceof HTMLTextAreaElement)) continue;
    if (field.matches(":disabled") || isDropped(field)) continue;
    const { off } = field.dataset;
    if (off && field instanceof HTMLInputElement && !field.checked) put(values, off, null);
    const name = nameOf(field, form);
    if (!name) continue;
    if (field instanceof HTMLInputElement && field.type === "checkbox") put(values, name, field.checked);
    else if (field.value !== "") put(values, name, valueOf(field));
    else if (field.dataset.empty === "null") put(values, name, null);
  }
  // Rows that were emptied leave holes, which `flat` closes.
  for (const [name, value] of Object.entries(values)) if (Array.isArray(value)) values[name] = value.flat(0);
  return values;
}

/**
 * The name of a field; its last part may stand in another field of the form: `data-named-by`.
 * @param {HTMLElement & {name: string}} field @param {HTMLFormElement} form
 */
function nameOf(field, form) {
  const by = field.dataset.namedBy;
  if (!by) return field.name;
  const last = /** @type {HTMLInputElement} */ (form.elements.namedItem(by)).value.trim();
  return last && field.name + last;
}

/** Whether a field is of a row that is left out, as the field it needs is empty. @param {Element} field */
function isDropped(field) {
  const row = /** @type {HTMLElement | null} */ (field.closest("[data-needs]"));
  const needed = /** @type {HTMLInputElement | null | undefined} */ (row?.querySelector(`[name="${row.dataset.needs}"]`));
  return needed?.value === "";
}

/** What a field says. @param {HTMLElement & {value: string}} field */
function valueOf(field) {
  const text = field.value;
  switch (field.dataset.type) {
    case "number": return Number(text);
    case "percent": return Math.round(Number(text) * 1e4) / 1e6;
    case "list": return text.split(/[\s,;]+/).filter(Boolean);
    case "numbers": return text.split(/[\s,;]+/).filter(Boolean).map(Number);
    case "limits": return limitsOf(text);
    case "after": return new Date((now() + 60 * Number(text)) * 1000).toISOString(); // minutes from now
    case "json": return JSON.parse(text);
    default: return text;
  }
}

/** Least and most by name: `22:00-06:30: 2, 06:00-14:30: 1 to 3`. @param {string} text */
function limitsOf(text) {
  const parts = text.split(/[,;]/).map((part) => part.trim()).filter(Boolean);
  return Object.fromEntries(parts.map((part) => {
    const [, name = part, least = "0", most = ""] = /^(.+):\s+(?:(\d+)\s+to\s+)?(\d+)$/.exec(part) ?? [];
    return [name, { least: Number(least), most: most === "" ? part : Number(most) }];
  }));
}

/**
 * Set a value whose name may be a path: `params.week`, `breaks.0.name`.
 * @param {Record<string, any>} values @param {string} name @param {unknown} value
 */
function put(values, name, value) {
  const [first = "", ...rest] = name.split(".");
  if (rest.length) put((values[first] ??= /^\d+$/.test(rest[0] ?? "") ? [] : {}), rest.join("."), value);
  else values[first] = value;
}

/** What takes part only while a box is ticked: `data-with="id of the box"`. @param {ParentNode} part */
export function settle(part = document) {
  for (const each of /** @type {NodeListOf<HTMLFieldSetElement | HTMLInputElement>} */ (part.querySelectorAll("[data-with]"))) {
    const box = /** @type {HTMLInputElement | null} */ (document.getElementById(each.dataset.with ?? ""));
    if (box) each.disabled = !box.checked;
  }
}

/** Show what the API tells once, ready to be copied. @param {HTMLFormElement} form @param {string} text */
function reveal(form, text) {
  const field = /** @type {HTMLInputElement | null} */ (form.querySelector("input[readonly]"));
  const part = field?.closest("p");
  if (!field || !part) return;
  part.hidden = false;
  field.value = text;
  field.focus();
  field.select();
}

/** Take a part of the page anew from the service, the rest staying as it is. @param {string} id */
async function renew(id) {
  const answer = await fetch(location.href).catch(() => null);
  if (!answer?.ok) return; // The next load of the page has it.
  const next = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(id);
  if (next) document.getElementById(id)?.replaceWith(next);
}

document.addEventListener("change", () => settle());
settle();

// What was done just before the page was loaded anew.
const before = sessionStorage.getItem("done");
sessionStorage.removeItem("done");
if (before) say(`${before}.`, "good");

document.addEventListener("submit", async (event) => {
  const form = /** @type {HTMLFormElement} */ (event.target);
  const { send: address, method, done, then, confirm: question } = form.dataset;
  if (!address) return;
  event.preventDefault();
  if (question && !confirm(question)) return;
  const button = /** @type {HTMLButtonElement | null} */ (event.submitter);
  if (button) button.disabled = true;
  const answer = await send(address, method === "DELETE" ? null : valuesOf(form), method);
  if (button) button.disabled = false;
  // What is disabled loses the focus; who works by keyboard goes on from here.
  if (document.activeElement === document.body) button?.focus();
  if (answer === null) return;
  if (done && then) sessionStorage.setItem("done", done);
  else if (done) say(`${done}.`, "good");
  if (form.dataset.shows) reveal(form, String(answer[form.dataset.shows] ?? ""));
  if (form.dataset.renews) void renew(form.dataset.renews);
  form.dispatchEvent(new CustomEvent("sent", { bubbles: true, detail: answer }));
  if (then) location.assign(then);
});
