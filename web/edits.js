// @ts-check
/** Edits of stroke documents: pure functions from one document to the next. */

import { bounds, boundsOf, distanceToSegment, isInside, lengthOf, overlap, reflect } from "./geometry.js";
import { MAX_POINTS, ROLES, rounded } from "./strokes.js";

/** @typedef {import("./strokes.js").Point} Point */
/** @typedef {import("./strokes.js").Stroke} Stroke */
/** @typedef {import("./strokes.js").StrokeDocument} StrokeDocument */
/** @typedef {import("./geometry.js").Place} Place */

const TOUCH = 0.6; // of a stroke's radius: how much of its width the eraser must reach
const CRUMB = 0.5; // radii: what an eraser leaves below this length goes as well
const CUT_STEPS = 24; // bisections of a segment of a line: far below a hundredth of a pixel

// Neck, both hips: their order in the eighteen joints of OpenPose.
const NECK = 1;
const HIPS = [8, 11];

/**
 * A drawn stroke, inside what a document may hold. A line with too many points becomes several.
 *
 * @param {StrokeDocument} document
 * @param {{role: string, points: readonly Point[], radius_px: number, closed?: boolean}} drawn
 * @returns {Stroke[]}
 */
export function strokes(document, drawn) {
  const { role, radius_px, closed = false } = drawn;
  const points = drawn.points.map((point) => within(document, point));
  const parts = [];
  for (let at = 0; at === 0 || at + 1 < points.length; at += MAX_POINTS - 1) {
    parts.push(points.slice(at, at + MAX_POINTS));
  }
  return parts.map((part) => ({
    role,
    points: part,
    radius_px: rounded(radius_px),
    color: ROLES[role],
    closed: closed && parts.length === 1,
    source: "drawn",
  }));
}

/**
 * @param {StrokeDocument} document
 * @param {readonly Stroke[]} more
 * @returns {StrokeDocument}
 */
export function add(document, more) {
  return { ...document, strokes: [...document.strokes, ...more] };
}

/**
 * @param {StrokeDocument} document
 * @param {number} index
 * @returns {StrokeDocument}
 */
export function remove(document, index) {
  return { ...document, strokes: document.strokes.filter((_, at) => at !== index) };
}

/**
 * @param {StrokeDocument} document
 * @param {number} index
 * @param {number} dx
 * @param {number} dy
 * @returns {StrokeDocument}
 */
export function move(document, index, dx, dy) {
  return replace(document, index, (points) => points.map(([x, y, p]) => [x + dx, y + dy, p]));
}

/**
 * Reflects one stroke, or all, about the body's axis; left and right change their roles. A copy of
 * all leaves out what has no side: a second head on the first would be no drawing.
 *
 * @param {StrokeDocument} document
 * @param {number | null} index
 * @param {boolean} keep whether the original stays beside its reflection
 * @returns {StrokeDocument}
 */
export function mirror(document, index, keep = false) {
  const axis = axisOf(document);
  /** @param {Stroke} stroke */
  const reflected = (stroke) => {
    const role = otherSide(stroke.role);
    const color = stroke.color === ROLES[stroke.role] ? ROLES[role] : stroke.color;
    const points = stroke.points.map((point) => within(document, reflect(point, axis)));
    return { ...stroke, role, color, points, source: /** @type {const} */ ("drawn") };
  };
  const chosen = document.strokes.filter((_, at) => index === null || at === index);
  if (keep) {
    const sided = chosen.filter(({ role }) => index !== null || otherSide(role) !== role);
    return sided.length > 0 ? add(document, sided.map(reflected)) : document;
  }
  const all = document.strokes.map((one) => (chosen.includes(one) ? reflected(one) : one));
  return { ...document, strokes: all };
}

/**
 * The body's axis: from the neck to the middle of the hips, else the middle of the picture.
 *
 * @param {StrokeDocument} document
 * @returns {{from: Place, to: Place}}
 */
export function axisOf(document) {
  const joints = document.landmarks;
  const middle = (document.width - 1) / 2;
  const upright = { from: { x: middle, y: 0 }, to: { x: middle, y: document.height } };
  const used = joints ? [NECK, ...HIPS].map((at) => joints[at]) : [];
  if (!joints || used.some((joint) => joint[2] <= 0)) return upright;
  const [neck, one, other] = used;
  const hips = { x: (one[0] + other[0]) / 2, y: (one[1] + other[1]) / 2 };
  const from = { x: neck[0], y: neck[1] };
  return Math.hypot(hips.x - from.x, hips.y - from.y) < 1 ? upright : { from, to: hips };
}

/** @param {string} role */
export function otherSide(role) {
  if (role.endsWith("_left")) return role.replace("_left", "_right");
  if (role.endsWith("_right")) return role.replace("_right", "_left");
  return role;
}

/**
 * Cuts out of every stroke what a disc touches on its way from one place to another.
 *
 * @param {StrokeDocument} document
 * @param {Place} from
 * @param {Place} to
 * @param {number} radius
 * @returns {StrokeDocument} the same one where nothing was touched
 */
export function erase(document, from, to, radius) {
  const swept = bounds([
    [from.x, from.y, 1],
    [to.x, to.y, 1],
  ]);
  let touched = false;
  const left = document.strokes.flatMap((stroke) => {
    const reach = radius + TOUCH * stroke.radius_px;
    if (!overlap(boundsOf(stroke.points, reach), swept)) return [stroke];
    const pieces = cut(stroke, from, to, reach);
    if (pieces === null) return [stroke];
    touched = true;
    return pieces.map((points) => ({
      ...stroke,
      points,
      closed: false,
      source: /** @type {const} */ ("drawn"),
    }));
  });
  return touched ? { ...document, strokes: left } : document;
}

/**
 * The stroke at a place, the topmost first; the inside of a closed one counts last.
 *
 * @param {StrokeDocument} document
 * @param {Place} at
 * @param {number} tolerance
 * @returns {number | null}
 */
export function strokeAt(document, { x, y }, tolerance) {
  const order = document.strokes.map((_, index) => index).reverse();
  const near = order.filter((index) => {
    const { points, radius_px } = document.strokes[index];
    const box = boundsOf(points, radius_px + tolerance);
    return overlap(box, { left: x, top: y, right: x, bottom: y });
  });
  const onLine = near.find((index) => {
    const stroke = document.strokes[index];
    return distanceTo(stroke, x, y) <= stroke.radius_px + tolerance;
  });
  const inside = () =>
    near.find((index) => {
      const stroke = document.strokes[index];
      return stroke.closed && isInside(x, y, stroke.points);
    });
  return onLine ?? inside() ?? null;
}

/**
 * What the user drew, and the proposal. A proposed stroke gives way to a newer proposal, a drawn
 * one never.
 *
 * @param {StrokeDocument | null} document
 * @param {StrokeDocument} proposal
 * @param {boolean} onlyMissing leaves out of the proposal the roles that the user drew
 * @returns {StrokeDocument}
 */
export function withProposal(document, proposal, onlyMissing) {
  const mine = document ? document.strokes.filter((stroke) => stroke.source === "drawn") : [];
  const roles = new Set(mine.map((stroke) => stroke.role));
  const theirs = proposal.strokes.filter((one) => !onlyMissing || !roles.has(one.role));
  return { ...proposal, strokes: [...theirs, ...mine] };
}

/**
 * The same drawing for another photo: strokes keep their place in the picture.
 *
 * @param {StrokeDocument} document
 * @param {{width: number, height: number, fingerprint: string}} photo
 * @returns {StrokeDocument}
 */
export function onPhoto(document, photo) {
  const { width, height, fingerprint } = photo;
  const sx = width / document.width;
  const sy = height / document.height;
  const moved = { ...document, width, height, photo: fingerprint };
  if (sx === 1 && sy === 1) return moved;
  /** @param {Point} point @returns {Point} */
  const scaled = ([x, y, p]) => [x * sx, y * sy, p];
  const { landmarks } = document;
  return {
    ...moved,
    strokes: document.strokes.map((stroke) => ({
      ...stroke,
      points: stroke.points.map((point) => within(moved, scaled(point))),
      radius_px: rounded(Math.min(1000, Math.max(0.1, stroke.radius_px * Math.sqrt(sx * sy)))),
    })),
    ...(landmarks && { landmarks: landmarks.map(scaled) }),
  };
}

/**
 * @param {StrokeDocument} document
 * @param {number} index
 * @param {(points: readonly Point[]) => Point[]} change
 * @returns {StrokeDocument}
 */
function replace(document, index, change) {
  const changed = document.strokes.map((stroke, at) =>
    at === index
      ? {
          ...stroke,
          points: change(stroke.points).map((point) => within(document, point)),
          source: /** @type {const} */ ("drawn"),
        }
      : stroke,
  );
  return { ...document, strokes: changed };
}

/**
 * @param {StrokeDocument} document
 * @param {Point} point
 * @returns {Point}
 */
function within({ width, height }, [x, y, pressure]) {
  return [
    rounded(Math.min(2 * width, Math.max(-width, x))),
    rounded(Math.min(2 * height, Math.max(-height, y))),
    rounded(Math.min(1, Math.max(0, pressure))),
  ];
}

/**
 * @param {Stroke} stroke
 * @param {number} x
 * @param {number} y
 */
function distanceTo({ points, closed }, x, y) {
  const ring = closed ? [...points, points[0]] : points;
  let nearest = Math.hypot(x - ring[0][0], y - ring[0][1]);
  for (let i = 1; i < ring.length; i += 1) {
    const a = { x: ring[i - 1][0], y: ring[i - 1][1] };
    const b = { x: ring[i][0], y: ring[i][1] };
    nearest = Math.min(nearest, distanceToSegment(x, y, a, b));
  }
  return nearest;
}

/**
 * What remains of a line, or null where it was not touched.
 *
 * @param {Stroke} stroke
 * @param {Place} from
 * @param {Place} to
 * @param {number} reach
 * @returns {Point[][] | null}
 */
function cut(stroke, from, to, reach) {
  const { points, closed } = stroke;
  const ring = closed && points.length > 2 ? [...points, points[0]] : points;
  /** @param {readonly number[]} p */
  const away = (p) => distanceToSegment(p[0], p[1], from, to);
  if (ring.length === 1) return away(ring[0]) < reach ? [] : null;
  /** @type {Point[][]} */
  const pieces = [];
  /** @type {Point[]} */
  let piece = away(ring[0]) < reach ? [] : [ring[0]];
  let touched = piece.length === 0;
  for (let i = 1; i < ring.length; i += 1) {
    const gap = gapOf(ring[i - 1], ring[i], away, reach);
    if (gap) {
      touched = true;
      if (gap[0] > 0) piece.push(between(ring[i - 1], ring[i], gap[0]));
      if (piece.length > 0) pieces.push(piece);
      piece = gap[1] < 1 ? [between(ring[i - 1], ring[i], gap[1])] : [];
    }
    if (!gap || gap[1] < 1) piece.push(ring[i]);
  }
  if (!touched) return null;
  if (piece.length > 0) pieces.push(piece);
  return joined(pieces, ring).filter((one) => lengthOf(one) >= CRUMB * stroke.radius_px);
}

/**
 * The ends of a cut ring belong together where its first point was left alone.
 *
 * @param {Point[][]} pieces
 * @param {readonly Point[]} ring
 */
function joined(pieces, ring) {
  const first = pieces[0];
  const last = pieces.at(-1);
  const isRing = ring[0] === ring[ring.length - 1];
  if (!isRing || !last || pieces.length < 2) return pieces;
  if (first[0] !== ring[0] || last[last.length - 1] !== ring[0]) return pieces;
  return [...pieces.slice(1, -1), [...last, ...first.slice(1)]];
}

/**
 * Where a segment is nearer than `reach`, as two numbers from 0 to 1. The distance to a convex
 * thing is convex along a segment, so this is one interval, found by bisection on both sides of
 * the nearest place.
 *
 * @param {Point} a
 * @param {Point} b
 * @param {(p: readonly number[]) => number} away
 * @param {number} reach
 * @returns {[number, number] | null}
 */
function gapOf(a, b, away, reach) {
  /** @param {number} t */
  const at = (t) => away([a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])]);
  const length = Math.hypot(b[0] - a[0], b[1] - a[1]);
  if (Math.min(at(0), at(1)) > reach + length) return null;
  let [low, high] = [0, 1];
  for (let i = 0; i < 2 * CUT_STEPS; i += 1) {
    const third = (high - low) / 3;
    if (at(low + third) < at(high - third)) high -= third;
    else low += third;
  }
  const nearest = [0, 1, (low + high) / 2].reduce((best, t) => (at(t) < at(best) ? t : best));
  if (at(nearest) >= reach) return null;
  return [border(at, nearest, 0, reach), border(at, nearest, 1, reach)];
}

/**
 * @param {(t: number) => number} at
 * @param {number} inside
 * @param {number} end
 * @param {number} reach
 */
function border(at, inside, end, reach) {
  if (at(end) < reach) return end;
  let [near, far] = [inside, end];
  for (let i = 0; i < CUT_STEPS; i += 1) {
    const middle = (near + far) / 2;
    if (at(middle) < reach) near = middle;
    else far = middle;
  }
  return far;
}

/**
 * @param {Point} a
 * @param {Point} b
 * @param {number} t
 * @returns {Point}
 */
function between(a, b, t) {
  const mixed = a.map((value, i) => rounded(value + t * (b[i] - value)));
  return /** @type {Point} */ (mixed);
}
