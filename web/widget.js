// @ts-check
/** The element of one Draw Hints node: toolbar, notice and stage, and what ties them together. */

import { CanvasView } from "./canvas_view.js";
import { Editor } from "./editor.js";
import { NoticeBar } from "./notice.js";
import { keyOf, upstream, viewPath } from "./photo.js";
import { takeOver } from "./place.js";
import { Pointers } from "./pointers.js";
import { mapOf } from "./render.js";
import { commandOf, isKept } from "./shortcuts.js";
import { addStyle } from "./style.js";
import { make, Toolbar } from "./toolbar.js";

/** @typedef {import("./texts.js").Texts} Texts */
/** @typedef {import("./server.js").Photo} PhotoReference */
/**
 * @typedef {object} Host what the widget needs of ComfyUI
 * @property {Texts} texts
 * @property {ReturnType<typeof import("./server.js").createServer>} server
 * @property {(path: string) => string} apiURL
 * @property {(event: PointerEvent | WheelEvent) => void} forward
 * @property {(text: string) => void} changed
 * @property {(node: any) => boolean} isShown whether it is in the graph on the screen
 * @property {(node: any) => any} lastOutput of a node, kept by ComfyUI over a change of tab
 */

export const MIN_HEIGHT_PX = 380;
const POLL_MS = 400; // how soon another photo in Load Image is noticed; links have no event for it
const ZOOM_STEP = 1.25;
const RADIUS_STEP = 1.2;

/** One node's drawing widget. */
export class DrawingWidget {
  /**
   * @param {any} node
   * @param {string} inputName of the photo
   * @param {Host} host
   */
  constructor(node, inputName, host) {
    addStyle();
    this.node = node;
    this.inputName = inputName;
    this.host = host;
    this.shownKey = "";
    /** @type {any} */
    this.lastRun = null;
    this.editor = new Editor({
      server: host.server,
      onCommit: host.changed,
      onChange: () => this.update(),
      onBlocked: () => this.block(),
    });
    const run = (/** @type {string} */ command) => this.run(command);
    this.toolbar = new Toolbar(host.texts, this.editor, run);
    this.notice = new NoticeBar(host.texts, this.editor, run);
    this.stage = make("div", "df-stage");
    this.view = new CanvasView(this.stage);
    this.keys = this.keyCatcher();
    this.hint = make("div", "df-hint");
    this.hint.append(document.createElement("span"));
    this.stage.append(this.keys, this.hint);
    this.element = this.root();
    this.pointers = new Pointers(this.stage, this.editor, this.view, {
      hasFocus: () => this.hasFocus(),
      takeFocus: () => this.keys.focus({ preventScroll: true }),
      forward: host.forward,
    });
    this.resizes = new ResizeObserver(() => this.view.measure());
    this.resizes.observe(this.stage);
    this.timer = 0;
    this.start();
    this.update();
  }

  root() {
    const root = make("div", "df-root");
    root.dataset.dressform = "draw-hints";
    root.dataset.nodeId = String(this.node.id);
    root.dataset.captureWheel = "true";
    root.style.minHeight = `${MIN_HEIGHT_PX}px`;
    root.append(this.toolbar.element, this.notice.element, this.stage);
    root.addEventListener("keydown", (event) => this.key(event));
    root.addEventListener("keyup", (event) => event.key === " " && this.pointers.hold(false));
    root.addEventListener("focusout", () => this.pointers.hold(false));
    // A press on the toolbar must not drag the node, nor take the keys from the drawing.
    for (const bar of [this.toolbar.element, this.notice.element]) {
      bar.addEventListener("pointerdown", (event) => event.stopPropagation());
      bar.addEventListener("wheel", (event) => !this.hasFocus() && this.host.forward(event));
    }
    this.stage.addEventListener("contextmenu", (event) => {
      event.preventDefault();
      event.stopPropagation();
    });
    document.addEventListener("fullscreenchange", this.onFullscreen);
    this.expose(root);
    return root;
  }

  /**
   * The element that has the keyboard. A text field, since ComfyUI leaves the keys alone that are
   * typed into one: its own undo listens before any other element can.
   */
  keyCatcher() {
    const keys = /** @type {HTMLTextAreaElement} */ (make("textarea", "df-keys"));
    keys.readOnly = true;
    keys.inputMode = "none";
    keys.setAttribute("aria-label", this.host.texts.canvas);
    return keys;
  }

  hasFocus() {
    return this.element.contains(document.activeElement) || this.isFull();
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (!isKept(event)) return;
    event.stopPropagation();
    const command = commandOf(event);
    const isUndo = command === "undo" || command === "redo";
    if (command === null || (!isUndo && isOfControl(event))) return;
    event.preventDefault();
    if (isUndo) hideFromGraph(event);
    this.run(command);
  }

  /** @param {string} command of a button or key */
  run(command) {
    const { editor, view } = this;
    const [name, value = ""] = command.split(":");
    const [dx, dy] = value.split(",").map(Number);
    const isDrawing = this.pointers.gesture !== null;
    /** @type {Record<string, () => void>} */
    const commands = {
      tool: () => editor.choose(value),
      undo: () => isDrawing ? this.pointers.abandon() : editor.undo(),
      redo: () => editor.redo(),
      mirror: () => editor.mirror(false),
      "mirror-copy": () => editor.mirror(true),
      delete: () => editor.delete(),
      clear: () => editor.clear(),
      "clear-changed": () => editor.clear(),
      keep: () => editor.keep(),
      refit: () => void editor.refit(),
      propose: () => void editor.propose(false),
      "propose-rest": () => void editor.propose(true),
      dismiss: () => editor.dismiss(),
      help: () => editor.inform("help"),
      pressure: () => editor.set({ pressure: !editor.pressure }),
      thinner: () => this.widen(1 / RADIUS_STEP),
      thicker: () => this.widen(RADIUS_STEP),
      nudge: () => editor.nudge(dx, dy),
      hand: () => this.pointers.hold(true),
      escape: () => this.escape(),
      fullscreen: () => void this.toggleFullscreen(),
      "zoom-in": () => view.zoom(ZOOM_STEP),
      "zoom-out": () => view.zoom(1 / ZOOM_STEP),
      "zoom-fit": () => view.fit(),
      focus: () => {},
    };
    if (isDrawing && !["undo", "escape", "hand"].includes(name)) return;
    commands[name]?.();
    if (name !== "escape") this.keys.focus({ preventScroll: true });
  }

  /** @param {number} factor */
  widen(factor) {
    const { radius_px } = this.editor;
    const step = factor > 1 ? 1 : -1;
    const wanted = Math.max(Math.round(radius_px * factor), radius_px + step);
    const next = factor > 1 ? wanted : Math.min(Math.round(radius_px * factor), radius_px - 1);
    this.editor.set({ radius_px: Math.min(100, Math.max(1, next)) });
    this.view.requestOverlay();
  }

  escape() {
    if (this.pointers.abandon()) return;
    if (this.editor.selected !== null) this.editor.select(null);
    else if (this.isFull()) void this.toggleFullscreen();
    else this.keys.blur();
  }

  block() {
    if (!this.editor.base && !this.editor.isLoading && this.editor.notice === null) {
      this.editor.inform("no-photo");
    }
    this.notice.flash();
  }

  update() {
    const { editor, view, stage } = this;
    if (!this.element) return; // still being made
    const { shown } = editor;
    const isProposal = shown !== null && shown !== editor.document;
    const size = editor.photo ?? shown;
    view.paper.hidden = !size;
    if (size) view.setPhoto(size);
    view.image.style.opacity = String(editor.opacity);
    view.selected = editor.selected === null ? null : (shown?.strokes[editor.selected] ?? null);
    view.show(shown);
    stage.dataset.active = editor.tool;
    stage.dataset.stale = String(editor.photoChanged);
    stage.dataset.proposal = String(isProposal);
    this.toolbar.update();
    this.notice.update();
    const proposed = isProposal ? "hint.proposal" : "";
    const hint = editor.isLoading ? "hint.loading" : !size ? "hint.no-photo" : proposed;
    this.hint.hidden = hint === "";
    /** @type {HTMLElement} */ (this.hint.firstChild).textContent = this.host.texts[hint] ?? "";
  }

  // The photo.

  start() {
    window.clearInterval(this.timer);
    this.timer = window.setInterval(() => this.look(), POLL_MS);
    queueMicrotask(() => this.look());
  }

  /** Shows the photo of Load Image, else that of the last run. */
  look() {
    if (!this.node.graph) return;
    if (this.element.dataset.nodeId !== String(this.node.id)) {
      this.element.dataset.nodeId = String(this.node.id);
    }
    if (!this.element.isConnected && this.host.isShown(this.node)) takeOver(this.element);
    if (!this.lastRun) this.take(this.host.lastOutput(this.node));
    const loaded = upstream(this.node, this.inputName);
    const run = this.lastRun;
    const reference = loaded ?? (run && { ...run.photo, ...sizeOf(run) });
    const key = reference ? `${keyOf(reference)} ${reference.fingerprint ?? ""}` : "";
    if (key === this.shownKey) return;
    this.shownKey = key;
    if (reference) void this.showPhoto(reference, key);
    else this.forgetPhoto();
  }

  forgetPhoto() {
    this.view.image.removeAttribute("src");
    this.editor.show(null);
  }

  /**
   * @param {PhotoReference} reference
   * @param {string} key
   */
  async showPhoto(reference, key) {
    const { editor, view, host } = this;
    editor.await();
    const image = new Image();
    image.src = host.apiURL(viewPath(reference));
    const asked = reference.fingerprint
      ? Promise.resolve(/** @type {any} */ (reference))
      : host.server.photo(reference).catch(() => null);
    const isThere = await image.decode().then(
      () => true,
      () => false,
    );
    const told = await asked;
    if (key !== this.shownKey) return; // another one was chosen meanwhile
    if (!isThere) {
      this.forgetPhoto();
      editor.notice = { kind: "error", code: "photo-missing", values: { name: reference.filename } };
      this.update();
      return;
    }
    if (editor.notice?.code === "photo-missing" || editor.notice?.code === "no-photo") {
      editor.notice = null;
    }
    view.image.src = image.src;
    editor.show({
      reference,
      width: told?.width ?? image.naturalWidth,
      height: told?.height ?? image.naturalHeight,
      fingerprint: told?.fingerprint ?? "",
    });
  }

  /** @param {any} output of a run */
  ran(output) {
    this.take(output);
    this.look();
  }

  /** @param {any} output */
  take(output) {
    const [sent] = output?.dressform_hints ?? [];
    if (!sent?.photo) return;
    this.lastRun = sent;
    this.editor.ran(sent);
  }

  // Full screen.

  onFullscreen = () => {
    const isFull = this.isFull();
    this.toolbar.actions.fullscreen.setAttribute("aria-pressed", String(isFull));
    requestAnimationFrame(() => {
      this.view.measure();
      this.view.fit();
      if (isFull) this.keys.focus({ preventScroll: true });
    });
  };

  isFull() {
    return document.fullscreenElement === this.element || this.element.popover === "manual";
  }

  async toggleFullscreen() {
    const { element } = this;
    if (document.fullscreenElement === element) {
      await document.exitFullscreen();
    } else if (element.popover === "manual") {
      element.hidePopover();
      element.popover = null;
      element.classList.remove("df-over");
      this.onFullscreen();
    } else {
      await element.requestFullscreen().catch(() => this.fillWindow());
    }
  }

  /** Where the browser allows no full screen, the drawing fills the window. */
  fillWindow() {
    const { element } = this;
    element.popover = "manual";
    element.classList.add("df-over");
    element.showPopover();
    this.onFullscreen();
  }

  // What tests see.

  /** @param {any} root */
  expose(root) {
    const widget = this;
    root.dressform = {
      get document() {
        return widget.editor.document;
      },
      get history() {
        return widget.editor.history;
      },
      get text() {
        return widget.editor.text;
      },
      get photo() {
        return widget.editor.photo;
      },
      get viewport() {
        return widget.view.view;
      },
      toClient: (/** @type {number} */ x, /** @type {number} */ y) => widget.view.toClient(x, y),
      render: (/** @type {number} */ scale) => widget.map(scale),
    };
  }

  /** The white-on-black map, as Render Hints makes it. @param {number} scale */
  map(scale) {
    const drawn = this.editor.shown;
    /** @param {number} width @param {number} height */
    const make = (width, height) => {
      return Object.assign(document.createElement("canvas"), { width, height });
    };
    if (!drawn) return make(1, 1);
    const sides = [drawn.width, drawn.height].map((side) => Math.max(1, Math.round(side * scale)));
    return mapOf(drawn, sides[0], sides[1], make);
  }

  stop() {
    window.clearInterval(this.timer);
    this.resizes.disconnect();
    this.pointers.remove();
    this.view.remove();
    document.removeEventListener("fullscreenchange", this.onFullscreen);
  }
}

/** @param {any} run */
function sizeOf({ width, height, fingerprint }) {
  return { width, height, fingerprint };
}

/** Whether a key works the list, slider or button that has the focus. @param {KeyboardEvent} event */
function isOfControl({ target, key }) {
  if (target instanceof HTMLSelectElement || target instanceof HTMLInputElement) return true;
  return target instanceof HTMLButtonElement && key === " ";
}

/**
 * ComfyUI's undo looks at the event one frame later, also when a text field has the focus and
 * runs follow every change. The key was ours, so it finds no Ctrl there.
 *
 * @param {KeyboardEvent} event
 */
function hideFromGraph(event) {
  Object.defineProperty(event, "ctrlKey", { value: false });
  Object.defineProperty(event, "metaKey", { value: false });
}
