// @ts-check
/** Which key does what while the drawing has the focus; every other key is ComfyUI's. */

/** @typedef {Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "altKey" | "shiftKey">} Key */

/** @type {Readonly<Record<string, string>>} key to command */
const PLAIN = Object.freeze({
  p: "tool:pen",
  e: "tool:eraser",
  l: "tool:line",
  h: "tool:head",
  b: "tool:limb",
  v: "tool:move",
  m: "mirror",
  f: "fullscreen",
  0: "zoom-fit",
  "+": "zoom-in",
  "=": "zoom-in",
  "-": "zoom-out",
  "[": "thinner",
  "]": "thicker",
  delete: "delete",
  backspace: "delete",
  escape: "escape",
  arrowleft: "nudge:-1,0",
  arrowright: "nudge:1,0",
  arrowup: "nudge:0,-1",
  arrowdown: "nudge:0,1",
  " ": "hand",
});

/** What each button's tooltip says about its key. @type {Readonly<Record<string, string>>} */
export const LABELS = Object.freeze({
  pen: "P",
  eraser: "E",
  line: "L",
  head: "H",
  limb: "B",
  move: "V",
  undo: "Ctrl+Z",
  redo: "Ctrl+Shift+Z, Ctrl+Y",
  mirror: "M",
  "mirror-copy": "Shift+M",
  delete: "Delete",
  fullscreen: "F",
  "zoom-in": "+",
  "zoom-out": "-",
  "zoom-fit": "0",
  radius: "[ ]",
});

/**
 * The command of a key, or null where it is not ours.
 *
 * @param {Key} key
 * @returns {string | null}
 */
export function commandOf({ key, ctrlKey, metaKey, altKey, shiftKey }) {
  const name = key.toLowerCase();
  if (altKey) return null;
  if (ctrlKey || metaKey) {
    if (name === "z") return shiftKey ? "redo" : "undo";
    return name === "y" && !shiftKey ? "redo" : null;
  }
  if (shiftKey && name === "m") return "mirror-copy";
  const command = PLAIN[name] ?? null;
  return shiftKey && command?.startsWith("nudge:") ? command.replaceAll("1", "10") : command;
}

/**
 * Whether a key must not reach ComfyUI while the drawing has the focus: its shortcuts of a bare
 * letter, or Delete, would change the graph. Ctrl+S, Ctrl+Enter, F5 and Tab go on working.
 *
 * @param {Key} key
 */
export function isKept(key) {
  if (commandOf(key) !== null) return true;
  const { ctrlKey, metaKey, altKey } = key;
  return !ctrlKey && !metaKey && !altKey && key.key.length === 1;
}
