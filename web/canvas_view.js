// @ts-check
/**
 * The stage: the photo, and three canvases over it. Finished strokes are drawn once; while the
 * pen moves, only its newest part is drawn, and the layer of cursors and previews.
 */

import { boxOf, paint, paintLive, place } from "./paint.js";
import * as viewports from "./viewport.js";

/** @typedef {import("./strokes.js").Point} Point */
/** @typedef {import("./strokes.js").Stroke} Stroke */
/** @typedef {import("./strokes.js").StrokeDocument} StrokeDocument */
/** @typedef {import("./geometry.js").Box} Box */

const MAX_DENSITY = 3; // canvas pixels by stage pixel; more costs memory and shows nothing
const PREVIEW_OPACITY = 0.75;
const MANY_POINTS = 4_000; // drawing more of them at every step of a zoom would stutter
const SETTLED_MS = 120; // after the last step of a zoom the strokes are drawn sharply

/** The drawing area; also the surface that the tools draw on. */
export class CanvasView {
  /** @param {HTMLElement} stage */
  constructor(stage) {
    this.stage = stage;
    this.paper = append(stage, "div", "df-paper");
    this.image = /** @type {HTMLImageElement} */ (append(this.paper, "img", "df-photo"));
    this.image.alt = "";
    this.image.draggable = false;
    this.done = layer(stage, "df-done");
    this.live = layer(stage, "df-live");
    this.overlay = layer(stage, "df-overlay");
    this.size = { width: 1, height: 1 };
    this.photo = { width: 1, height: 1 };
    this.density = 1;
    /** @type {viewports.Viewport} */
    this.view = { zoom: 1, panX: 0, panY: 0 };
    this.isFitted = true;
    /** @type {readonly Stroke[]} */
    this.strokes = [];
    /** @type {readonly Stroke[]} */
    this.previewed = [];
    /** @type {readonly Point[]} */
    this.tail = [];
    /** @type {{x: number, y: number, radius: number} | null} */
    this.cursor = null;
    /** @type {Stroke | null} */
    this.selected = null;
    this.color = "#ffffff";
    this.radius_px = 1;
    this.frame = 0;
    this.drawnView = this.view;
    this.settling = 0;
  }

  /** @param {{width: number, height: number}} photo its full size; that of the image may be less */
  setPhoto(photo) {
    if (photo.width === this.photo.width && photo.height === this.photo.height) return;
    this.photo = { width: photo.width, height: photo.height };
    this.paper.style.width = `${photo.width}px`;
    this.paper.style.height = `${photo.height}px`;
    this.fit();
  }

  /** Follows the stage's size and the graph's zoom. */
  measure() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    if (width === 0 || height === 0) return;
    const shown = this.stage.getBoundingClientRect().width / width || 1;
    const wanted = Math.min(MAX_DENSITY, Math.max(1, shown * (window.devicePixelRatio || 1)));
    // Zooming the graph changes the density at every step; a quarter is not seen.
    const density = Math.abs(wanted / this.density - 1) > 0.25 ? wanted : this.density;
    const isSame = width === this.size.width && height === this.size.height;
    if (isSame && density === this.density) return;
    this.size = { width, height };
    this.density = density;
    for (const context of [this.done, this.live, this.overlay]) {
      context.canvas.width = Math.round(width * density);
      context.canvas.height = Math.round(height * density);
    }
    if (this.isFitted) this.fit();
    this.redraw(); // a canvas of a new size is empty
  }

  fit() {
    this.moveTo(viewports.fit(this.size, this.photo));
    this.isFitted = true;
  }

  /** @param {number} factor @param {{x: number, y: number}} [stagePlace] */
  zoom(factor, stagePlace) {
    const middle = { x: this.size.width / 2, y: this.size.height / 2 };
    const fitted = viewports.fit(this.size, this.photo);
    this.moveTo(viewports.zoomAt(this.view, factor, stagePlace ?? middle, fitted));
  }

  /** @param {number} dx @param {number} dy */
  pan(dx, dy) {
    this.moveTo(viewports.pan(this.view, dx, dy, this.size, this.photo));
  }

  /** @param {viewports.Viewport} view */
  moveTo(view) {
    this.view = view;
    this.isFitted = false;
    const { zoom, panX, panY } = view;
    this.paper.style.transform = `translate(${panX}px, ${panY}px) scale(${zoom})`;
    this.paper.style.setProperty("--df-pixel", `${1 / zoom}px`);
    const points = this.strokes.reduce((sum, stroke) => sum + stroke.points.length, 0);
    if (points > MANY_POINTS) this.stretch();
    else this.redraw();
  }

  /** Moves the picture of the strokes along, and draws them again when the view has settled. */
  stretch() {
    const { view, drawnView } = this;
    const grown = view.zoom / drawnView.zoom;
    const x = view.panX - grown * drawnView.panX;
    const y = view.panY - grown * drawnView.panY;
    this.done.canvas.style.transform = `translate(${x}px, ${y}px) scale(${grown})`;
    clearTimeout(this.settling);
    this.settling = window.setTimeout(() => this.redraw(), SETTLED_MS);
    this.requestOverlay();
  }

  /** Draws the strokes sharply before something is added to them. */
  settle() {
    if (this.drawnView !== this.view) this.redraw();
  }

  /** @param {{clientX: number, clientY: number}} event */
  toStage({ clientX, clientY }) {
    return viewports.clientToStage(this.rect(), this.size, clientX, clientY);
  }

  /** @param {{clientX: number, clientY: number}} event */
  toImage(event) {
    const { x, y } = this.toStage(event);
    return viewports.toImage(this.view, x, y);
  }

  /** @param {number} imageX @param {number} imageY */
  toClient(imageX, imageY) {
    const { x, y } = viewports.toStage(this.view, imageX, imageY);
    return viewports.stageToClient(this.rect(), this.size, x, y);
  }

  rect() {
    return this.stage.getBoundingClientRect();
  }

  /** One pixel of the stage, in photo pixels. */
  get step() {
    return 1 / this.view.zoom;
  }

  /**
   * Draws a document; only what was added where that is all that changed.
   *
   * @param {StrokeDocument | null} document
   */
  show(document) {
    const strokes = document?.strokes ?? [];
    const known = this.strokes;
    const isMore = strokes.length >= known.length && known.every((one, i) => one === strokes[i]);
    this.strokes = strokes;
    if (isMore && this.drawnView === this.view) {
      place(this.done, this.view, this.density);
      paint(this.done, strokes.slice(known.length), this.view.zoom);
    } else {
      this.redraw();
    }
    this.endLive();
  }

  redraw() {
    clearTimeout(this.settling);
    this.drawnView = this.view;
    this.done.canvas.style.transform = "";
    wipe(this.done);
    place(this.done, this.view, this.density);
    paint(this.done, this.strokes, this.view.zoom);
    this.requestOverlay();
  }

  // What follows is the surface of the tools.

  /** @param {readonly Point[]} points @param {readonly Point[]} tail */
  drawLive(points, tail) {
    place(this.live, this.view, this.density);
    paintLive(this.live, points, this.radius_px, this.color, this.view.zoom);
    this.tail = tail;
    this.requestOverlay();
  }

  /** @param {readonly Stroke[]} strokes */
  preview(strokes) {
    this.previewed = strokes;
    this.requestOverlay();
  }

  /** @param {StrokeDocument} document @param {Box} changed */
  showEdited(document, changed) {
    this.settle();
    this.strokes = document.strokes;
    const { left, top, right, bottom } = changed;
    const context = this.done;
    context.save();
    place(context, this.view, this.density);
    context.beginPath();
    context.rect(left, top, right - left, bottom - top);
    context.clip();
    context.clearRect(left, top, right - left, bottom - top);
    paint(context, this.strokes, this.view.zoom, changed);
    context.restore();
    this.requestOverlay();
  }

  endLive() {
    wipe(this.live);
    this.tail = [];
    this.previewed = [];
    this.requestOverlay();
  }

  requestOverlay() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.drawOverlay();
    });
  }

  drawOverlay() {
    const context = this.overlay;
    const { zoom } = this.view;
    wipe(context);
    place(context, this.view, this.density);
    context.globalAlpha = PREVIEW_OPACITY;
    paint(context, this.previewed, zoom);
    context.globalAlpha = 1;
    paintLive(context, this.tail, this.radius_px, this.color, zoom);
    if (this.selected && this.strokes.includes(this.selected)) frame(context, this.selected, zoom);
    if (this.cursor) ring(context, this.cursor, zoom);
  }

  remove() {
    clearTimeout(this.settling);
    cancelAnimationFrame(this.frame);
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Stroke} stroke
 * @param {number} zoom
 */
function frame(context, stroke, zoom) {
  const { left, top, right, bottom } = boxOf(stroke);
  const margin = 4 / zoom;
  context.lineWidth = 1.5 / zoom;
  for (const [color, offset] of /** @type {const} */ ([
    ["#000000", 0],
    ["#ffffff", 4],
  ])) {
    context.strokeStyle = color;
    context.setLineDash([4 / zoom, 4 / zoom]);
    context.lineDashOffset = offset / zoom;
    context.strokeRect(
      left - margin,
      top - margin,
      right - left + 2 * margin,
      bottom - top + 2 * margin,
    );
  }
  context.setLineDash([]);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {{x: number, y: number, radius: number}} cursor
 * @param {number} zoom
 */
function ring(context, { x, y, radius }, zoom) {
  for (const [color, width] of /** @type {const} */ ([
    ["#000000", 2.5],
    ["#ffffff", 1],
  ])) {
    context.strokeStyle = color;
    context.lineWidth = width / zoom;
    context.beginPath();
    context.arc(x + 0.5, y + 0.5, Math.max(radius, 1.5 / zoom), 0, 2 * Math.PI);
    context.stroke();
  }
}

/** @param {CanvasRenderingContext2D} context */
function wipe(context) {
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, context.canvas.width, context.canvas.height);
}

/**
 * @param {HTMLElement} parent
 * @param {string} tag
 * @param {string} name
 */
function append(parent, tag, name) {
  const element = document.createElement(tag);
  element.className = name;
  parent.append(element);
  return element;
}

/** @param {HTMLElement} stage @param {string} name */
function layer(stage, name) {
  const canvas = /** @type {HTMLCanvasElement} */ (append(stage, "canvas", `df-layer ${name}`));
  return /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
}
