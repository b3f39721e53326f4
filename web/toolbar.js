// @ts-check
/** The row of tools over the drawing. Holds no state: `update` shows the editor's. */

import { canRedo, canUndo } from "./history.js";
import { icon } from "./icons.js";
import { LABELS } from "./shortcuts.js";
import { CORRECTIONS, ROLES } from "./strokes.js";
import { TOOLS } from "./tools.js";

/** @typedef {import("./editor.js").Editor} Editor */
/** @typedef {import("./texts.js").Texts} Texts */

const GROUPS = Object.freeze([
  ["undo", "redo"],
  ["mirror", "mirror-copy", "delete", "clear"],
  ["propose", "propose-rest"],
  ["zoom-out", "zoom-fit", "zoom-in", "fullscreen", "help"],
]);
const MAX_RADIUS = 100; // of the slider; a document's strokes may be wider

/** Makes the elements and hands every click on as a command. */
export class Toolbar {
  /**
   * @param {Texts} texts
   * @param {Editor} editor
   * @param {(command: string) => void} run
   */
  constructor(texts, editor, run) {
    this.texts = texts;
    this.editor = editor;
    this.run = run;
    this.element = make("div", "df-bar");
    this.element.setAttribute("role", "toolbar");
    this.element.setAttribute("aria-label", texts.toolbar);
    /** @type {Record<string, HTMLButtonElement>} */
    this.tools = {};
    /** @type {Record<string, HTMLButtonElement>} */
    this.actions = {};
    const tools = TOOLS.map((name) => (this.tools[name] = this.tool(name)));
    this.swatch = make("span", "df-swatch");
    this.role = this.roles();
    this.radius = this.slider("radius", { min: 1, max: MAX_RADIUS, step: 1 }, (value) =>
      editor.set({ radius_px: value }),
    );
    this.number = make("span", "df-number");
    this.opacity = this.slider("opacity", { min: 0, max: 1, step: 0.05 }, (value) =>
      editor.set({ opacity: value }),
    );
    this.pressure = this.toggle();
    this.element.append(
      group("df-group", ...tools),
      group("df-role", this.swatch, this.role),
      group("df-range", icon("radius"), this.radius, this.number, this.pressure),
      ...GROUPS.map((names) =>
        group("df-group", ...names.map((name) => (this.actions[name] = this.action(name)))),
      ),
      group("df-range", icon("opacity"), this.opacity),
    );
  }

  update() {
    const { editor, actions } = this;
    for (const [name, button] of Object.entries(this.tools)) {
      button.setAttribute("aria-pressed", String(name === editor.tool));
    }
    this.swatch.style.background = editor.color;
    this.role.value = editor.role;
    this.radius.value = String(editor.radius_px);
    this.number.textContent = String(editor.radius_px);
    this.opacity.value = String(editor.opacity);
    this.pressure.setAttribute("aria-pressed", String(editor.pressure));
    const waits = editor.busy !== "" || editor.photoChanged;
    const isEmpty = !editor.shown || editor.shown.strokes.length === 0;
    actions.undo.disabled = !canUndo(editor.history);
    actions.redo.disabled = !canRedo(editor.history);
    actions.mirror.disabled = actions["mirror-copy"].disabled = isEmpty || waits;
    actions.delete.disabled = editor.selected === null || waits;
    actions.clear.disabled = isEmpty && editor.text === "";
    actions.propose.disabled = actions["propose-rest"].disabled = waits;
  }

  /** @param {string} name */
  tool(name) {
    const button = this.button(name, this.texts[`tool.${name}`], `tool:${name}`);
    button.dataset.tool = name;
    return button;
  }

  /** @param {string} name */
  action(name) {
    const button = this.button(name, this.texts[`action.${name}`], name);
    button.dataset.action = name;
    return button;
  }

  /**
   * @param {string} name
   * @param {string} text
   * @param {string} command
   */
  button(name, text, command) {
    const button = /** @type {HTMLButtonElement} */ (make("button", "df-button"));
    button.type = "button";
    label(button, text, LABELS[name]);
    button.append(icon(name));
    button.addEventListener("click", () => this.run(command));
    return button;
  }

  roles() {
    const { texts, editor } = this;
    const select = /** @type {HTMLSelectElement} */ (make("select", "df-field"));
    select.dataset.control = "role";
    label(select, texts["control.role"]);
    const names = Object.keys(ROLES);
    const body = names.filter((name) => !CORRECTIONS.includes(name));
    for (const [title, members] of /** @type {[string, readonly string[]][]} */ ([
      ["group.body", body],
      ["group.corrections", CORRECTIONS],
    ])) {
      const set = document.createElement("optgroup");
      set.label = texts[title];
      set.append(...members.map((name) => new Option(texts[`role.${name}`], name)));
      select.append(set);
    }
    select.addEventListener("change", () => {
      editor.set({ role: select.value });
      this.run("focus");
    });
    return select;
  }

  /**
   * @param {string} name
   * @param {{min: number, max: number, step: number}} range
   * @param {(value: number) => void} act
   */
  slider(name, range, act) {
    const input = /** @type {HTMLInputElement} */ (make("input", "df-slider"));
    input.type = "range";
    Object.assign(input, range);
    input.dataset.control = name;
    label(input, this.texts[`control.${name}`], LABELS[name]);
    input.addEventListener("input", () => act(Number(input.value)));
    return input;
  }

  toggle() {
    const button = this.button("pressure", this.texts["control.pressure"], "pressure");
    button.dataset.control = "pressure";
    return button;
  }
}

/**
 * @param {HTMLElement} element
 * @param {string} text
 * @param {string} [shortcut]
 */
export function label(element, text, shortcut) {
  element.setAttribute("aria-label", text);
  element.title = shortcut ? `${text} (${shortcut})` : text;
}

/**
 * @param {string} tag
 * @param {string} name
 */
export function make(tag, name) {
  const element = document.createElement(tag);
  element.className = name;
  return element;
}

/**
 * @param {string} name
 * @param {...Element} children
 */
function group(name, ...children) {
  const element = make("div", name);
  element.append(...children);
  return element;
}
