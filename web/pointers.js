// @ts-check
/**
 * Mouse, touch and pen on the stage: one pointer draws, two fingers zoom and move, the middle
 * button or the space bar moves. Places are gathered and handed on once for each frame.
 */

import { begin, reachOf } from "./tools.js";

/** @typedef {import("./editor.js").Editor} Editor */
/** @typedef {import("./canvas_view.js").CanvasView} CanvasView */
/** @typedef {import("./tools.js").Sample} Sample */
/** @typedef {{clientX: number, clientY: number}} ClientPlace */
/**
 * @typedef {object} Bridge to the graph around the drawing
 * @property {() => boolean} hasFocus
 * @property {() => void} takeFocus
 * @property {(event: PointerEvent | WheelEvent) => void} forward hands an event to the graph
 */

const PEN_ERASER = 32; // in `buttons`: the other end of a pen
const MIDDLE = 4; // in `buttons`
const MIN_PRESSURE = 0.05; // pens report 0 at the first touch
const WHEEL_ZOOM = 0.0016; // of a zoom step, by pixel of the wheel
const LINE_PX = 32; // what one line of a wheel that counts in lines is worth

/** Listens on the stage until removed. */
export class Pointers {
  /**
   * @param {HTMLElement} stage
   * @param {Editor} editor
   * @param {CanvasView} view
   * @param {Bridge} bridge
   */
  constructor(stage, editor, view, bridge) {
    this.stage = stage;
    this.editor = editor;
    this.view = view;
    this.bridge = bridge;
    /** @type {import("./tools.js").Gesture | null} */
    this.gesture = null;
    /** @type {number | null} */
    this.drawing = null;
    /** @type {number | null} */
    this.panning = null;
    /** @type {Map<number, ClientPlace>} */
    this.fingers = new Map();
    /** @type {ClientPlace} */
    this.last = { clientX: 0, clientY: 0 };
    /** @type {Sample[]} */
    this.queue = [];
    this.frame = 0;
    this.isHandHeld = false;
    this.hasPen = false;
    const listen = /** @type {(type: any, act: (event: any) => void) => void} */ (
      (type, act) => stage.addEventListener(type, act.bind(this), { passive: false })
    );
    listen("pointerdown", this.down);
    listen("pointermove", this.move);
    listen("pointerup", this.up);
    listen("pointercancel", this.up);
    listen("lostpointercapture", this.up);
    listen("pointerleave", this.leave);
    listen("wheel", this.wheel);
  }

  /** @param {PointerEvent} event */
  down(event) {
    if (event.button === 1 && !this.bridge.hasFocus()) {
      this.bridge.forward(event);
      return;
    }
    event.stopPropagation();
    event.preventDefault();
    this.bridge.takeFocus();
    this.view.measure();
    if (event.pointerType === "touch") this.fingers.set(event.pointerId, placeOf(event));
    if (event.pointerType === "pen") this.hasPen = true;
    if (this.fingers.size === 2) {
      this.startPinch();
    } else if (this.drawing === null && this.panning === null) {
      this.capture(event.pointerId);
      // With a pen at hand, a finger on the glass is a palm or wants to move the picture.
      const isPalm = event.pointerType === "touch" && this.hasPen;
      if (event.button === 1 || this.isHandHeld || isPalm) this.startPan(event);
      else if (event.button === 0 || event.button === 5) this.startDrawing(event);
    }
  }

  /** @param {PointerEvent} event */
  startPan(event) {
    this.panning = event.pointerId;
    this.last = placeOf(event);
    this.stage.dataset.hand = "held";
  }

  startPinch() {
    this.abandon();
    this.panning = null;
  }

  /** @param {PointerEvent} event */
  startDrawing(event) {
    const { editor, view } = this;
    if (editor.isBlocked || !editor.base) {
      editor.onBlocked();
      return;
    }
    const isEraser = event.button === 5 || (event.buttons & PEN_ERASER) !== 0;
    const tool = isEraser ? "eraser" : editor.tool;
    this.drawing = event.pointerId;
    view.color = editor.color;
    view.radius_px = editor.radius_px;
    const settings = {
      document: editor.base,
      role: editor.role,
      radius_px: editor.radius_px,
      tapered: editor.pressure && event.pointerType !== "pen",
      step: view.step,
      selected: editor.selected,
    };
    this.gesture = begin(tool, this.sample(event), settings, {
      drawLive: (points, tail) => view.drawLive(points, tail),
      preview: (strokes) => view.preview(strokes),
      showEdited: (document, changed) => view.showEdited(document, changed),
      select: (index) => editor.select(index),
      commit: (document) => {
        if (!editor.commit(document)) view.show(editor.shown);
      },
    });
  }

  /** @param {PointerEvent} event */
  move(event) {
    const { pointerId } = event;
    if (this.fingers.has(pointerId) && this.fingers.size === 2) {
      this.pinch(event);
    } else if (pointerId === this.drawing) {
      const parts = event.getCoalescedEvents?.() ?? [];
      const all = parts.length > 0 ? parts : [event];
      this.queue.push(...all.map((part) => this.sample(part)));
      this.hover(event);
      this.frame ||= requestAnimationFrame(() => this.flush());
    } else if (pointerId === this.panning) {
      this.panBy(event);
    } else {
      if (event.buttons & MIDDLE) this.bridge.forward(event);
      this.hover(event);
      return;
    }
    event.stopPropagation();
  }

  /** @param {PointerEvent} event */
  panBy(event) {
    const from = this.view.toStage(this.last);
    const to = this.view.toStage(event);
    this.last = placeOf(event);
    this.view.pan(to.x - from.x, to.y - from.y);
  }

  /** @param {PointerEvent} event */
  pinch(event) {
    const before = [...this.fingers.values()].map((one) => this.view.toStage(one));
    this.fingers.set(event.pointerId, placeOf(event));
    const after = [...this.fingers.values()].map((one) => this.view.toStage(one));
    const [from, to] = [middleOf(before), middleOf(after)];
    this.view.pan(to.x - from.x, to.y - from.y);
    const factor = apart(after) / Math.max(1, apart(before));
    if (factor > 0) this.view.zoom(factor, to);
  }

  flush() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    const samples = this.queue;
    this.queue = [];
    for (const sample of samples) this.gesture?.extend(sample);
  }

  /**
   * A stroke ends with its pointer, however that comes about; nothing drawn is lost.
   *
   * @param {PointerEvent} event
   */
  up(event) {
    const { pointerId } = event;
    this.fingers.delete(pointerId);
    if (pointerId === this.panning) {
      this.panning = null;
      this.stage.dataset.hand = this.isHandHeld ? "ready" : "";
      event.stopPropagation();
    } else if (pointerId === this.drawing) {
      event.stopPropagation();
      this.finish();
    } else if (event.button === 1 && event.type === "pointerup") {
      this.bridge.forward(event);
    }
  }

  finish() {
    this.flush();
    const { gesture } = this;
    this.gesture = null;
    this.drawing = null;
    gesture?.finish();
    this.view.endLive();
  }

  /** Drops what is being drawn. */
  abandon() {
    if (!this.gesture) return false;
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    this.queue = [];
    this.gesture = null;
    this.drawing = null;
    this.view.endLive();
    this.view.show(this.editor.shown);
    return true;
  }

  leave() {
    this.view.cursor = null;
    this.view.requestOverlay();
  }

  /** @param {PointerEvent} event */
  hover(event) {
    const { editor, view } = this;
    const hasRing = editor.tool === "pen" || editor.tool === "eraser" || editor.tool === "line";
    const radius = reachOf(editor.tool, editor.radius_px, view.step);
    view.cursor = hasRing && event.pointerType !== "touch" ? { ...view.toImage(event), radius } : null;
    view.requestOverlay();
  }

  /**
   * The wheel belongs to the graph until the user has clicked into the drawing.
   *
   * @param {WheelEvent} event
   */
  wheel(event) {
    if (!this.bridge.hasFocus()) {
      this.bridge.forward(event);
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    if (this.gesture) return;
    const unit = event.deltaMode === 0 ? 1 : LINE_PX;
    const speed = event.ctrlKey ? 6 : 1; // pinching a touchpad reports far smaller steps
    const factor = Math.exp(-Math.max(-600, Math.min(600, event.deltaY * unit * speed)) * WHEEL_ZOOM);
    this.view.zoom(factor, this.view.toStage(event));
  }

  /** @param {boolean} isHeld the space bar is down */
  hold(isHeld) {
    this.isHandHeld = isHeld;
    if (this.panning === null) this.stage.dataset.hand = isHeld ? "ready" : "";
  }

  /** @param {PointerEvent} event @returns {Sample} */
  sample(event) {
    const { x, y } = this.view.toImage(event);
    const isPen = event.pointerType === "pen" && this.editor.pressure;
    const pressure = isPen ? Math.max(MIN_PRESSURE, Math.min(1, event.pressure)) : 1;
    return { x, y, pressure, straight: event.shiftKey };
  }

  /** @param {number} pointerId */
  capture(pointerId) {
    try {
      this.stage.setPointerCapture(pointerId);
    } catch {
      // The pointer is gone already, or was made by a script: its events come all the same.
    }
  }

  remove() {
    cancelAnimationFrame(this.frame);
  }
}

/** @param {ClientPlace} event @returns {ClientPlace} */
function placeOf({ clientX, clientY }) {
  return { clientX, clientY };
}

/** @param {{x: number, y: number}[]} both */
function middleOf([a, b]) {
  return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
}

/** @param {{x: number, y: number}[]} both */
function apart([a, b]) {
  return Math.hypot(b.x - a.x, b.y - a.y);
}
