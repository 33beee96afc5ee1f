// @ts-check
// Brings the page's lists up to date with HTML from the service, touching only what differs.
import { tick } from "./clock.js";

/** What the page itself sets on elements that the service describes. */
const OURS = new Set(["hidden", "aria-current", "open", "data-renew"]);

// What somebody has chosen in a form must not change under the hand before it is sent.
document.addEventListener("input", (event) => {
  const field = /** @type {Element} */ (event.target);
  field.closest("form")?.setAttribute("data-touched", "");
});
document.addEventListener("sent", (event) => /** @type {Element} */ (event.target).removeAttribute("data-touched"));

/**
 * Take over elements by id, and remove those that are gone.
 * @param {[string, string][]} set @param {string[]} gone
 */
export function patch(set, gone) {
  for (const id of gone) document.getElementById(id)?.remove();
  for (const [id, html] of set) {
    const next = parse(html);
    const present = document.getElementById(id);
    if (!present) {
      next.classList.add("fresh");
      insert(next);
    } else if (present.dataset.in !== next.dataset.in) {
      present.remove();
      insert(next);
    } else {
      const moved = present.dataset.order !== next.dataset.order;
      morph(present, next);
      if (moved) insert(present);
    }
  }
}

/** Remove what `set` does not name: it is everything there is. @param {[string, string][]} set */
export function sweep(set) {
  const known = new Set(set.map(([id]) => id));
  document.querySelectorAll("[data-in]").forEach((each) => known.has(each.id) || each.remove());
}

/** @param {string} html @returns {HTMLElement} */
function parse(html) {
  const template = document.createElement("template");
  template.innerHTML = html.trim();
  tick(template.content);
  return /** @type {HTMLElement} */ (template.content.firstElementChild);
}

/** Put an element at its place in its list. @param {HTMLElement} element */
function insert(element) {
  const list = document.querySelector(`[data-list="${element.dataset.in}"]`);
  if (!list) return;
  const order = orderOf(element);
  let after = /** @type {HTMLElement | null} */ (list.lastElementChild);
  while (after && (after === element || compare(orderOf(after), order) > 0)) {
    after = /** @type {HTMLElement | null} */ (after.previousElementSibling);
  }
  list.insertBefore(element, after ? after.nextElementSibling : list.firstElementChild);
}

/** @param {HTMLElement} element @returns {(number | string)[]} */
function orderOf(element) {
  return JSON.parse(element.dataset.order ?? "[]");
}

/** @param {(number | string)[]} a @param {(number | string)[]} b */
function compare(a, b) {
  for (const [i, left] of a.entries()) {
    const right = b[i] ?? 0;
    if (left !== right) return left < right ? -1 : 1;
  }
  return 0;
}

/** Make `present` like `next`, node by node. @param {Element} present @param {Element} next */
export function morph(present, next) {
  if (present.hasAttribute("data-touched")) return;
  for (const { name } of [...present.attributes]) {
    if (!next.hasAttribute(name) && !OURS.has(name)) present.removeAttribute(name);
  }
  for (const { name, value } of next.attributes) {
    if (present.getAttribute(name) !== value) present.setAttribute(name, value);
  }
  const [old, fresh] = [[...present.childNodes], [...next.childNodes]];
  fresh.forEach((node, i) => {
    const was = old[i];
    if (!was) present.append(node);
    else if (was instanceof Element && node instanceof Element && was.nodeName === node.nodeName) morph(was, node);
    else if (was.nodeType === Node.TEXT_NODE && node.nodeType === Node.TEXT_NODE) {
      if (was.nodeValue !== node.nodeValue) was.nodeValue = node.nodeValue;
    } else was.replaceWith(node);
  });
  old.slice(fresh.length).forEach((node) => node.remove());
}
