// @ts-check
/**
 * Draws strokes on any 2D context, as imaging/scribble.py does: a stroke is the union of discs
 * at its points and of the straight-edged pieces between them.
 */

import { CORRECTIONS } from "./strokes.js";

/** @typedef {import("./strokes.js").Point} Point */
/** @typedef {import("./strokes.js").Stroke} Stroke */
/** @typedef {import("./strokes.js").StrokeDocument} StrokeDocument */
/** @typedef {CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D} Context */
/** @typedef {Pick<Path2D, "moveTo" | "lineTo" | "arc" | "closePath">} Path */

export const MIN_RADIUS_PX = 0.75; // thinner lines vanish when a ControlNet downsamples
export const RIM = 1.6; // width of the dark rim around coloured strokes, over the stroke's own
const UNSEEN_PX = 0.1;
const SAME_PX = 1e-6; // points nearer than this have no direction between them
const SAMPLES = 2; // a linear reduction by two is the mean of four pixels
const MAX_SAMPLED_PX = 8_192; // browsers refuse canvases of more than about 16,000 a side
export const RIM_COLOR = "rgb(20, 20, 20)";

/**
 * Draws white strokes on black.
 *
 * @param {Context} context
 * @param {StrokeDocument} document
 * @param {number} width
 * @param {number} height
 * @param {number} [samples] of each side of a pixel of the map that is made of this one
 */
export function renderMap(context, document, width, height, samples = 1) {
  context.save();
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.fillStyle = "#000000";
  context.fillRect(0, 0, width, height);
  context.fillStyle = "#ffffff";
  // One path: the edges of strokes that were filled one by one would add up where they cross.
  const path = new Path2D();
  const scale = { ...scaleTo(document, width, height), pixel: samples };
  for (const stroke of hints(document)) addStroke(path, stroke, scale);
  context.fill(path, "nonzero");
  context.restore();
}

/**
 * The map as Python makes it. Canvases round the edges of small shapes coarsely, so it is drawn
 * larger and reduced, where that is not too large.
 *
 * @param {StrokeDocument} document
 * @param {number} width
 * @param {number} height
 * @param {(width: number, height: number) => HTMLCanvasElement} makeCanvas
 */
export function mapOf(document, width, height, makeCanvas) {
  const samples = Math.max(width, height) * SAMPLES <= MAX_SAMPLED_PX ? SAMPLES : 1;
  const large = makeCanvas(width * samples, height * samples);
  renderMap(contextOf(large), document, large.width, large.height, samples);
  if (samples === 1) return large;
  const map = makeCanvas(width, height);
  contextOf(map).drawImage(large, 0, 0, width, height);
  return map;
}

/** @param {HTMLCanvasElement} canvas */
function contextOf(canvas) {
  return /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
}

/** @param {StrokeDocument} document */
export function hints(document) {
  return document.strokes.filter((stroke) => !CORRECTIONS.includes(stroke.role));
}

/** @typedef {{x: number, y: number, radius: number, pixel?: number}} Scale pixel: of the final map */

/**
 * @param {StrokeDocument} document
 * @param {number} width
 * @param {number} height
 * @returns {Scale}
 */
export function scaleTo(document, width, height) {
  const x = width / document.width;
  const y = height / document.height;
  return { x, y, radius: Math.sqrt(x * y) };
}

/**
 * Adds a stroke's outline to a path. All parts turn the same way round: parts that turn against
 * each other would leave holes where they overlap.
 *
 * @param {Path} path
 * @param {Stroke} stroke
 * @param {Scale} scale
 */
export function addStroke(path, stroke, scale) {
  addDiscs(path, discsOf(stroke, scale), stroke.closed);
}

/**
 * @param {Stroke} stroke
 * @param {Scale} scale
 * @param {number} [widening]
 */
export function discsOf(stroke, scale, widening = 1) {
  const thinnest = widening * MIN_RADIUS_PX * (scale.pixel ?? 1);
  return stroke.points.map(([x, y, pressure]) => ({
    x: (x + 0.5) * scale.x,
    y: (y + 0.5) * scale.y,
    radius: Math.max(widening * stroke.radius_px * pressure * scale.radius, thinnest),
  }));
}

/**
 * @param {Path} path
 * @param {readonly {x: number, y: number, radius: number}[]} discs
 * @param {boolean} closed
 */
export function addDiscs(path, discs, closed) {
  for (const disc of discs) addDisc(path, disc);
  addPieces(path, discs, closed);
}

/**
 * As `addDiscs`, with a wedge between two pieces in the place of each disc that is not seen beside
 * it by a tenth of a pixel. Most are not, and circles are what takes the time.
 *
 * @param {Path} path
 * @param {readonly {x: number, y: number, radius: number}[]} discs
 * @param {boolean} closed
 */
export function addSeenDiscs(path, discs, closed) {
  discs.forEach((disc, i) => {
    const before = discs[i - 1] ?? (closed ? discs[discs.length - 1] : null);
    const after = discs[i + 1] ?? (closed ? discs[0] : null);
    const isEnd = !before || !after;
    if (isEnd || !addWedge(path, before, disc, after)) addDisc(path, disc);
  });
  addPieces(path, discs, closed);
}

/**
 * Fills the outer side of a bend, from the end of one piece to the start of the next.
 *
 * @param {Path} path
 * @param {{x: number, y: number, radius: number}} before
 * @param {{x: number, y: number, radius: number}} disc
 * @param {{x: number, y: number, radius: number}} after
 * @returns {boolean} false where the disc would reach visibly beyond the wedge
 */
function addWedge(path, before, disc, after) {
  const [ax, ay] = [disc.x - before.x, disc.y - before.y];
  const [bx, by] = [after.x - disc.x, after.y - disc.y];
  const [aLength, bLength] = [Math.hypot(ax, ay), Math.hypot(bx, by)];
  if (aLength <= SAME_PX || bLength <= SAME_PX) return false; // no piece there
  const cosine = Math.min(1, Math.max(-1, (ax * bx + ay * by) / (aLength * bLength)));
  if (disc.radius * (1 - Math.sqrt((1 + cosine) / 2)) > UNSEEN_PX) return false;
  // Half of either piece is in it too: edges that only touch leave a hairline between them.
  const isLeft = ax * by > ay * bx;
  const side = isLeft ? -1 : 1;
  const [normalA, normalB] = [
    { x: (-ay / aLength) * side, y: (ax / aLength) * side },
    { x: (-by / bLength) * side, y: (bx / bLength) * side },
  ];
  const [midA, midB] = [halfway(before, disc), halfway(disc, after)];
  const ring = [
    along(midA, normalA, midA.radius),
    along(disc, normalA, disc.radius),
    along(disc, normalB, disc.radius),
    along(midB, normalB, midB.radius),
    along(disc, normalA, -disc.radius / 2),
  ];
  if (!isLeft) ring.reverse();
  ring.forEach(([x, y], i) => (i === 0 ? path.moveTo(x, y) : path.lineTo(x, y)));
  path.closePath();
  return true;
}

/**
 * @param {{x: number, y: number, radius: number}} a
 * @param {{x: number, y: number, radius: number}} b
 */
function halfway(a, b) {
  return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, radius: (a.radius + b.radius) / 2 };
}

/**
 * @param {{x: number, y: number}} from
 * @param {{x: number, y: number}} normal
 * @param {number} distance
 */
function along(from, normal, distance) {
  return [from.x + normal.x * distance, from.y + normal.y * distance];
}

/**
 * @param {Path} path
 * @param {{x: number, y: number, radius: number}} disc
 */
function addDisc(path, { x, y, radius }) {
  path.moveTo(x + radius, y);
  path.arc(x, y, radius, 0, 2 * Math.PI);
  path.closePath();
}

/**
 * @param {Path} path
 * @param {readonly {x: number, y: number, radius: number}[]} discs
 * @param {boolean} closed
 */
function addPieces(path, discs, closed) {
  const count = closed ? discs.length : discs.length - 1;
  for (let i = 0; i < count; i += 1) addPiece(path, discs[i], discs[(i + 1) % discs.length]);
}

/**
 * @param {Path} path
 * @param {{x: number, y: number, radius: number}} a
 * @param {{x: number, y: number, radius: number}} b
 */
function addPiece(path, a, b) {
  const length = Math.hypot(b.x - a.x, b.y - a.y);
  if (length <= SAME_PX) return;
  const normalX = -(b.y - a.y) / length;
  const normalY = (b.x - a.x) / length;
  path.moveTo(a.x - normalX * a.radius, a.y - normalY * a.radius);
  path.lineTo(b.x - normalX * b.radius, b.y - normalY * b.radius);
  path.lineTo(b.x + normalX * b.radius, b.y + normalY * b.radius);
  path.lineTo(a.x + normalX * a.radius, a.y + normalY * a.radius);
  path.closePath();
}
