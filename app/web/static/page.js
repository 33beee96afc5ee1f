// @ts-check
// On every page: forms that speak to the API, and what is said about them.
import "./clock.js";

/**
 * Say something in a corner of the page for a while.
 * @param {string} text @param {"good" | "bad"} tone
 */
export function say(text, tone) {
  const notice = document.createElement("p");
  notice.className = `notice ${tone}`;
  if (tone === "bad") notice.setAttribute("role", "alert");
  notice.textContent = text;
  document.getElementById("notices")?.append(notice);
  setTimeout(() => notice.remove(), tone === "bad" ? 12_000 : 5_000);
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
    answer = await fetch(address, { method, headers, body: body === null ? null : JSON.stringify(body) });
  } catch {
    say("The service can't be reached; nothing was done.", "bad");
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
  /** @type {Record<string, unknown>} */
  const values = {};
  for (const field of form.elements) {
    if (!(field instanceof HTMLInputElement || field instanceof HTMLSelectElement || field instanceof HTMLTextAreaElement)) continue;
    if (!field.name || field.disabled) continue;
    if (field instanceof HTMLInputElement && field.type === "checkbox") put(values, field.name, field.checked);
    else if (field.value === "") continue;
    else put(values, field.name, field.dataset.type === "number" ? Number(field.value) : field.value);
  }
  return values;
}

/**
 * Set a value whose name may be a path: `params.week`.
 * @param {Record<string, any>} values @param {string} name @param {unknown} value
 */
function put(values, name, value) {
  const [first = "", ...rest] = name.split(".");
  if (rest.length) put((values[first] ??= {}), rest.join("."), value);
  else values[first] = value;
}

document.addEventListener("submit", async (event) => {
  const form = /** @type {HTMLFormElement} */ (event.target);
  const { send: address, method, done, confirm: question } = form.dataset;
  if (!address) return;
  event.preventDefault();
  if (question && !confirm(question)) return;
  const button = /** @type {HTMLButtonElement | null} */ (event.submitter);
  if (button) button.disabled = true;
  const answer = await send(address, method === "DELETE" ? null : valuesOf(form), method);
  if (button) button.disabled = false;
  if (answer === null) return;
  if (done) say(`${done}.`, "good");
  form.dispatchEvent(new CustomEvent("sent", { bubbles: true, detail: answer }));
});
