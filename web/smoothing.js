// @ts-check
/**
 * From the places that a pointer reported to the line that the hand meant.
 *
 * A fast mouse reports few places, far apart: a curve goes through them. A slow one reports
 * whole pixels: neighbours are averaged, but only where they are close together.
 */

import { simplify } from "./geometry.js";

/** @typedef {import("./strokes.js").Point} Point */

const CLOSE = 8; // steps: places farther apart than this are meant, not trembling
const CURVE_STEPS = 2; // a piece of the curve is as long as this many steps
const MAX_PIECES = 48; // between two places
const TAPER = 6; // radii over which a line without a pen's pressure begins and ends
const TAPERED = 0.35; // of the pressure, at the very end

/**
 * Tells whether a place is far enough from the one before to be kept.
 *
 * @param {readonly Point[]} raw
 * @param {Point} point
 * @param {number} step one pixel of the screen, in the unit of the points
 */
export function isNews(raw, point, step) {
  const last = raw.at(-1);
  return !last || Math.hypot(point[0] - last[0], point[1] - last[1]) >= 1.5 * step;
}

/**
 * The curve from place `index` to the next, without its first point. It depends on two places
 * before and three after, so a piece never changes once those are known.
 *
 * @param {readonly Point[]} raw
 * @param {number} index
 * @param {number} step
 * @returns {Point[]}
 *
 * Reference: Catmull and Rom, A class of local interpolating splines, 1974; centripetal form by
 * Yuksel, Schaefer and Keyser, Parameterization and applications of Catmull-Rom curves, 2011.
 */
export function piece(raw, index, step) {
  const b = calm(raw, index, step);
  const c = calm(raw, index + 1, step);
  const a = index > 0 ? calm(raw, index - 1, step) : null;
  const d = index + 2 < raw.length ? calm(raw, index + 2, step) : null;
  const length = Math.hypot(c[0] - b[0], c[1] - b[1]);
  const count = Math.min(MAX_PIECES, Math.max(1, Math.round(length / (CURVE_STEPS * step))));
  const before = a ?? beyond(d, c, b, step);
  const after = d ?? beyond(a, b, c, step);
  return Array.from({ length: count }, (_, i) => curve(before, b, c, after, (i + 1) / count));
}

/** How many places after `index` the piece that starts there waits for. */
export const LOOKAHEAD = 3;

/**
 * The whole line, simplified.
 *
 * @param {readonly Point[]} raw
 * @param {number} step
 * @param {number} radius
 * @returns {Point[]}
 */
export function line(raw, step, radius) {
  if (raw.length < 3) return [...raw];
  const all = [raw[0]];
  for (let i = 0; i + 1 < raw.length; i += 1) all.push(...piece(raw, i, step));
  return simplify(all, 0.3 * step, radius);
}

/**
 * Makes the ends of a line thin, for pointers that report no pressure.
 *
 * @param {readonly Point[]} points
 * @param {number} radius
 * @returns {Point[]}
 */
export function taper(points, radius) {
  const before = [0];
  for (let i = 1; i < points.length; i += 1) {
    const [x, y] = points[i];
    before.push(before[i - 1] + Math.hypot(x - points[i - 1][0], y - points[i - 1][1]));
  }
  const length = before[before.length - 1];
  const reach = Math.min(TAPER * radius, length / 2);
  if (reach <= 0) return [...points];
  return withKnots(points, before, [reach, length - reach]).map(([x, y, pressure, at]) => {
    const inward = Math.min(1, Math.min(at, length - at) / reach);
    return [x, y, pressure * (TAPERED + (1 - TAPERED) * inward)];
  });
}

/**
 * Adds points where the taper ends, so that a straight line of two points keeps a full middle.
 *
 * @param {readonly Point[]} points
 * @param {number[]} before
 * @param {number[]} knots
 * @returns {[number, number, number, number][]} with the length before each
 */
function withKnots(points, before, knots) {
  /** @type {[number, number, number, number][]} */
  const all = points.map(([x, y, p], i) => [x, y, p, before[i]]);
  for (const knot of knots) {
    const next = all.findIndex(([, , , at]) => at > knot);
    if (next <= 0 || knot - all[next - 1][3] < 1e-6) continue;
    const [a, b] = [all[next - 1], all[next]];
    const t = (knot - a[3]) / (b[3] - a[3]);
    all.splice(next, 0, [mix(a[0], b[0], t), mix(a[1], b[1], t), mix(a[2], b[2], t), knot]);
  }
  return all;
}

/**
 * @param {readonly Point[]} raw
 * @param {number} index
 * @param {number} step
 * @returns {Point}
 */
function calm(raw, index, step) {
  const here = raw[index];
  const before = raw[index - 1];
  const after = raw[index + 1];
  if (!before || !after) return here;
  const close = CLOSE * step;
  const far = Math.max(
    Math.hypot(here[0] - before[0], here[1] - before[1]),
    Math.hypot(here[0] - after[0], here[1] - after[1]),
  );
  if (far > close) return here;
  return [
    (before[0] + 2 * here[0] + after[0]) / 4,
    (before[1] + 2 * here[1] + after[1]) / 4,
    (before[2] + 2 * here[2] + after[2]) / 4,
  ];
}

/**
 * Where the line would have gone on after its last place: bent as before where the places are far
 * apart, straight on where they tremble.
 *
 * @param {Point | null} first
 * @param {Point} second
 * @param {Point} last
 * @param {number} step
 * @returns {Point}
 */
function beyond(first, second, last, step) {
  const [dx, dy] = [last[0] - second[0], last[1] - second[1]];
  if (!first || Math.hypot(dx, dy) < CLOSE * step) return [last[0] + dx, last[1] + dy, last[2]];
  return [
    last[0] + 2 * dx - (second[0] - first[0]),
    last[1] + 2 * dy - (second[1] - first[1]),
    last[2],
  ];
}

/**
 * @param {Point} a
 * @param {Point} b
 * @param {Point} c
 * @param {Point} d
 * @param {number} t from b (0) to c (1)
 * @returns {Point}
 */
function curve(a, b, c, d, t) {
  const t1 = knot(a, b);
  const t2 = t1 + knot(b, c);
  const t3 = t2 + knot(c, d);
  const at = t1 + t * (t2 - t1);
  const pressure = Math.min(1, Math.max(0, mix(b[2], c[2], t)));
  /** @param {0 | 1} k */
  const one = (k) => {
    const ab = mix(a[k], b[k], at / t1);
    const bc = mix(b[k], c[k], (at - t1) / (t2 - t1));
    const cd = mix(c[k], d[k], (at - t2) / (t3 - t2));
    return mix(mix(ab, bc, at / t2), mix(bc, cd, (at - t1) / (t3 - t1)), t);
  };
  return t === 1 ? [c[0], c[1], pressure] : [one(0), one(1), pressure];
}

/**
 * @param {Point} one
 * @param {Point} other
 */
function knot(one, other) {
  // Equal places would divide by zero.
  return Math.max(1e-3, Math.sqrt(Math.hypot(one[0] - other[0], one[1] - other[1])));
}

/**
 * @param {number} a
 * @param {number} b
 * @param {number} t
 */
function mix(a, b, t) {
  return a + t * (b - a);
}
