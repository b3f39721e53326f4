// @ts-check
/** Registers the pack's browser side with ComfyUI; the one file that imports ComfyUI. */

// @ts-ignore (served by ComfyUI)
import { app } from "../../scripts/app.js";
import { cloudExtension } from "./cloud.js";
import { createServer } from "./server.js";
import { textsFor } from "./texts.js";
import { DrawingWidget, MIN_HEIGHT_PX } from "./widget.js";

const PHOTO_INPUT = "image";
// Of a new node; a user may make it as narrow as the toolbar allows.
const WIDTH_PX = 460;
const HEIGHT_PX = 720;

/**
 * Hands an event to the graph's canvas, as over empty canvas.
 *
 * @param {PointerEvent | WheelEvent} event
 */
function forward(event) {
  event.preventDefault();
  event.stopPropagation();
  const copy = /** @type {any} */ (event.constructor);
  app.canvas?.canvas?.dispatchEvent(new copy(event.type, event));
}

/** Lets ComfyUI notice a change: the dot on the tab, and its own undo outside of the drawing. */
function noticeChange() {
  app.graph?.setDirtyCanvas?.(true, true);
  const tracker = app.extensionManager?.workflow?.activeWorkflow?.changeTracker;
  (tracker?.captureCanvasState ?? tracker?.checkState)?.call(tracker);
}

/**
 * @param {any} node
 * @param {string} name
 */
function drawingWidget(node, name) {
  /** @type {any} */
  let widget = null;
  const drawing = new DrawingWidget(node, PHOTO_INPUT, {
    texts: textsFor(app.extensionManager?.setting?.get("Comfy.Locale")),
    server: createServer((path, options) => app.api.fetchApi(path, options)),
    apiURL: (path) => app.api.apiURL(path),
    forward,
    isShown: (one) => app.canvas?.graph?.getNodeById?.(one.id) === one,
    lastOutput: (one) => app.nodeOutputs?.[String(one.id)],
    changed(text) {
      widget?.callback?.(text);
      noticeChange();
    },
  });
  widget = node.addDOMWidget(name, "DRESSFORM_STROKES", drawing.element, {
    getValue: () => drawing.editor.text,
    setValue: (/** @type {unknown} */ value) => drawing.editor.load(value),
    getMinHeight: () => MIN_HEIGHT_PX,
    hideOnZoom: false,
    serialize: true,
  });
  follow(node, "onExecuted", (output) => drawing.ran(output));
  follow(node, "onAdded", () => drawing.start());
  follow(node, "onRemoved", () => drawing.stop());
  return { widget, minWidth: WIDTH_PX, minHeight: HEIGHT_PX };
}

/**
 * Calls `act` after a node's own callback.
 *
 * @param {any} node
 * @param {string} name
 * @param {(...given: any[]) => void} act
 */
function follow(node, name, act) {
  const before = node[name];
  node[name] = function (/** @type {any[]} */ ...given) {
    const result = before?.apply(this, given);
    act(...given);
    return result;
  };
}

/**
 * Keeps fingers on a drawing from ComfyUI, which would zoom the graph with them. It listens on the
 * canvas' parent before any element in it can; the drawing itself listens to pointers.
 *
 * @param {Event} event
 */
function keepTouch(event) {
  if (event.target instanceof Element && event.target.closest(".df-stage")) event.stopPropagation();
}

app.registerExtension({
  name: "dressform.drawHints",
  setup() {
    for (const type of ["touchstart", "touchmove", "touchend", "touchcancel"]) {
      window.addEventListener(type, keepTouch, { capture: true, passive: true });
    }
  },
  getCustomWidgets: () => ({
    DRESSFORM_STROKES: (/** @type {any} */ node, /** @type {string} */ name) =>
      drawingWidget(node, name),
  }),
});

app.registerExtension(cloudExtension(app, app.extensionManager?.setting?.get("Comfy.Locale")));
