// @ts-check
/** Draws the editor's view of strokes: fast, in the stage's scale, with outlines kept by stroke. */

import { bounds, overlap } from "./geometry.js";
import { addDiscs, addSeenDiscs, discsOf, MIN_RADIUS_PX, RIM, RIM_COLOR } from "./render.js";

/** @typedef {import("./strokes.js").Point} Point */
/** @typedef {import("./strokes.js").Stroke} Stroke */
/** @typedef {import("./geometry.js").Box} Box */
/** @typedef {import("./viewport.js").Viewport} Viewport */
/** @typedef {CanvasRenderingContext2D} Context */

const AS_IT_IS = { x: 1, y: 1, radius: 1 };

/** @typedef {{middle: Path2D | null, area: Path2D | null, rim: Path2D | null, box: Box}} Outline */
/** @type {WeakMap<Stroke, Outline>} */
const OUTLINES = new WeakMap();

/**
 * Lets a context draw in photo pixels.
 *
 * @param {Context} context
 * @param {Viewport} view
 * @param {number} density canvas pixels by stage pixel
 */
export function place(context, view, density) {
  const scale = density * view.zoom;
  context.setTransform(scale, 0, 0, scale, density * view.panX, density * view.panY);
}

/**
 * @param {Context} context placed
 * @param {readonly Stroke[]} strokes
 * @param {number} zoom
 * @param {Box | null} [box] leaves out strokes that do not reach into it
 */
export function paint(context, strokes, zoom, box = null) {
  context.lineCap = "round";
  context.lineJoin = "round";
  for (const stroke of strokes) {
    const outline = outlineOf(stroke);
    if (box && !overlap(outline.box, box)) continue;
    const pressure = stroke.points[0][2];
    const radius = Math.max(stroke.radius_px * pressure, MIN_RADIUS_PX / zoom);
    paintOutline(context, outline, RIM_COLOR, 2 * RIM * radius, outline.rim);
    paintOutline(context, outline, stroke.color, 2 * radius, outline.area);
  }
}

/**
 * @param {Context} context
 * @param {Outline} outline
 * @param {string} color
 * @param {number} width
 * @param {Path2D | null} area
 */
function paintOutline(context, outline, color, width, area) {
  if (outline.middle) {
    context.strokeStyle = color;
    context.lineWidth = width;
    context.stroke(outline.middle);
  } else if (area) {
    context.fillStyle = color;
    context.fill(area, "nonzero");
  }
}

/**
 * Draws the next part of a line that is being drawn; its rim goes below what is there.
 *
 * @param {Context} context placed
 * @param {readonly Point[]} points
 * @param {number} radius_px
 * @param {string} color
 * @param {number} zoom
 */
export function paintLive(context, points, radius_px, color, zoom) {
  if (points.length === 0) return;
  for (const [widening, style, order] of /** @type {const} */ ([
    [1, color, "source-over"],
    [RIM, RIM_COLOR, "destination-over"],
  ])) {
    const path = new Path2D();
    const discs = points.map(([x, y, pressure]) => ({
      x: x + 0.5,
      y: y + 0.5,
      radius: widening * Math.max(radius_px * pressure, MIN_RADIUS_PX / zoom),
    }));
    addDiscs(path, discs, false);
    context.globalCompositeOperation = order;
    context.fillStyle = style;
    context.fill(path, "nonzero");
  }
  context.globalCompositeOperation = "source-over";
}

/** @param {Stroke} stroke */
export function boxOf(stroke) {
  return outlineOf(stroke).box;
}

/**
 * Lines of one pressure are drawn as lines, which is far faster than the union of their discs.
 *
 * @param {Stroke} stroke
 * @returns {Outline}
 */
function outlineOf(stroke) {
  const known = OUTLINES.get(stroke);
  if (known) return known;
  const { points, closed } = stroke;
  const isEven = points.every(([, , pressure]) => pressure === points[0][2]);
  const made = {
    middle: isEven ? middle(points, closed) : null,
    area: isEven ? null : area(stroke, 1),
    rim: isEven ? null : area(stroke, RIM),
    box: bounds(points, RIM * stroke.radius_px + 2),
  };
  OUTLINES.set(stroke, made);
  return made;
}

/**
 * @param {readonly Point[]} points
 * @param {boolean} closed
 */
function middle(points, closed) {
  const path = new Path2D();
  points.forEach(([x, y], i) => path[i === 0 ? "moveTo" : "lineTo"](x + 0.5, y + 0.5));
  if (closed) path.closePath();
  else if (points.length === 1) path.lineTo(points[0][0] + 0.5, points[0][1] + 0.5);
  return path;
}

/**
 * @param {Stroke} stroke
 * @param {number} widening
 */
function area(stroke, widening) {
  const path = new Path2D();
  addSeenDiscs(path, discsOf(stroke, AS_IT_IS, widening), stroke.closed);
  return path;
}
