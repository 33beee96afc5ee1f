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
  const kept = new Set([...next.children].map((each) => each.id));
  for (const each of [...present.children]) if (each.id && !kept.has(each.id)) each.remove();
  let at = present.firstChild;
  for (const node of [...next.childNodes]) {
    const was = counterpart(present, at, node);
    if (was) {
      // An element that is moved loses the focus, so that what is left over before it goes instead.
      for (let over = at; over !== was && over instanceof Text; at = over) {
        const text = over;
        over = over.nextSibling;
        text.remove();
      }
      if (was !== at) present.insertBefore(was, at);
      at = was.nextSibling;
      if (was instanceof Element) morph(was, /** @type {Element} */ (node));
      else if (was.nodeValue !== node.nodeValue) was.nodeValue = node.nodeValue;
    } else if (at && !named(at)) {
      const passed = at;
      at = at.nextSibling;
      passed.replaceWith(node);
    } else present.insertBefore(node, at);
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

/**
 * The child that becomes like `node`: the one of its id, else what stands `at` its place and is of its kind.
 * A button must never come to mean something else under the hand.
 * @param {Element} present @param {ChildNode | null} at @param {ChildNode} node
 */
function counterpart(present, at, node) {
  const id = named(node);
  const was = id ? [...present.children].find((each) => each.id === id) : named(at) ? null : at;
  return was?.nodeType === node.nodeType && was.nodeName === node.nodeName ? was : null;
}

/** @param {Node | null} node */
function named(node) {
  return node instanceof Element ? node.id : "";
}
