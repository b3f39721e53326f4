// @ts-check
/** Elements from descriptions, and a tree made like another one without replacing what stays. */

// What a user changes, and no description tells.
const USERS_OWN = { DETAILS: ["open"], INPUT: ["value"] };

/**
 * @param {string} tag
 * @param {Record<string, string | number | boolean | null | undefined>} attributes true is a bare
 *   one; false, null and undefined are none
 * @param {...(Node | string | null | undefined | false)} children
 * @returns {HTMLElement}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, String(value));
    }
  }
  element.append(...children.filter((one) => one !== null && one !== undefined && one !== false && one !== ""));
  return element;
}

/**
 * Makes the children of one element like those of another, keeping every element that can stay:
 * a press that has begun on a button ends on it, and what has the focus keeps it.
 *
 * @param {Element} kept
 * @param {Element} wanted
 */
export function become(kept, wanted) {
  const left = [...kept.childNodes];
  for (const next of [...wanted.childNodes]) {
    const found = left.findIndex((one) => isAlike(one, next));
    if (found < 0) {
      kept.insertBefore(next, left[0] ?? null);
      continue;
    }
    for (const gone of left.splice(0, found)) gone.remove();
    const same = /** @type {ChildNode} */ (left.shift());
    if (same instanceof Element && next instanceof Element) {
      dress(same, next);
      become(same, next);
    } else if (same.nodeValue !== next.nodeValue) {
      same.nodeValue = next.nodeValue;
    }
  }
  for (const gone of left) gone.remove();
}

/** @param {Node} one @param {Node} other */
function isAlike(one, other) {
  if (one.nodeName !== other.nodeName) return false;
  if (!(one instanceof Element) || !(other instanceof Element)) return true;
  return one.getAttribute("data-key") === other.getAttribute("data-key")
    && one.classList[0] === other.classList[0];
}

/** @param {Element} kept @param {Element} wanted */
function dress(kept, wanted) {
  const own = USERS_OWN[/** @type {keyof typeof USERS_OWN} */ (kept.nodeName)] ?? [];
  for (const { name } of [...kept.attributes]) {
    if (!wanted.hasAttribute(name) && !own.includes(name)) kept.removeAttribute(name);
  }
  for (const { name, value } of [...wanted.attributes]) {
    if (kept.getAttribute(name) !== value) kept.setAttribute(name, value);
  }
}
