// @ts-check
/** Distances, boxes, reflections and simplified lines; all in one space, usually photo pixels. */

/** @typedef {import("./strokes.js").Point} Point */
/** @typedef {{x: number, y: number}} Place */
/** @typedef {{left: number, top: number, right: number, bottom: number}} Box */

/**
 * @param {number} x
 * @param {number} y
 * @param {Place} a
 * @param {Place} b
 */
export function distanceToSegment(x, y, a, b) {
  const dx = b.x - a.x;
  const dy = b.y - a.y;
  const squared = dx * dx + dy * dy;
  const along = squared > 0 ? ((x - a.x) * dx + (y - a.y) * dy) / squared : 0;
  const t = Math.min(1, Math.max(0, along));
  return Math.hypot(x - a.x - t * dx, y - a.y - t * dy);
}

/**
 * @param {readonly Point[]} points
 * @param {number} [margin]
 * @returns {Box}
 */
export function bounds(points, margin = 0) {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [x, y] of points) {
    left = Math.min(left, x);
    top = Math.min(top, y);
    right = Math.max(right, x);
    bottom = Math.max(bottom, y);
  }
  return {
    left: left - margin,
    top: top - margin,
    right: right + margin,
    bottom: bottom + margin,
  };
}

/** @type {WeakMap<readonly Point[], Box>} */
const BOXES = new WeakMap();

/**
 * The same for points that never change, as those of a stroke: looked at once.
 *
 * @param {readonly Point[]} points
 * @param {number} margin
 * @returns {Box}
 */
export function boundsOf(points, margin) {
  const known = BOXES.get(points);
  const box = known ?? bounds(points);
  if (!known) BOXES.set(points, box);
  const { left, top, right, bottom } = box;
  return {
    left: left - margin,
    top: top - margin,
    right: right + margin,
    bottom: bottom + margin,
  };
}

/**
 * @param {Box} one
 * @param {Box} other
 */
export function overlap(one, other) {
  return (
    one.left <= other.right &&
    other.left <= one.right &&
    one.top <= other.bottom &&
    other.top <= one.bottom
  );
}

/**
 * @param {Box | null} one
 * @param {Box} other
 * @returns {Box}
 */
export function union(one, other) {
  if (!one) return other;
  return {
    left: Math.min(one.left, other.left),
    top: Math.min(one.top, other.top),
    right: Math.max(one.right, other.right),
    bottom: Math.max(one.bottom, other.bottom),
  };
}

/**
 * @param {readonly Point[]} points
 */
export function lengthOf(points) {
  let length = 0;
  for (let i = 1; i < points.length; i += 1) {
    length += Math.hypot(points[i][0] - points[i - 1][0], points[i][1] - points[i - 1][1]);
  }
  return length;
}

/**
 * Reflects a point in the line through two places.
 *
 * @param {Point} point
 * @param {{from: Place, to: Place}} axis
 * @returns {Point}
 */
export function reflect([x, y, pressure], { from, to }) {
  const dx = to.x - from.x;
  const dy = to.y - from.y;
  const along = ((x - from.x) * dx + (y - from.y) * dy) / (dx * dx + dy * dy);
  return [2 * (from.x + along * dx) - x, 2 * (from.y + along * dy) - y, pressure];
}

/**
 * Tells whether a place lies inside a closed line, by the even-odd rule.
 *
 * @param {number} x
 * @param {number} y
 * @param {readonly Point[]} points
 */
export function isInside(x, y, points) {
  let inside = false;
  for (let i = 0, j = points.length - 1; i < points.length; j = i, i += 1) {
    const [ax, ay] = points[i];
    const [bx, by] = points[j];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
  }
  return inside;
}

/**
 * Leaves out points that lie on the line between their neighbours.
 *
 * @param {readonly Point[]} points
 * @param {number} tolerance how far the line may move
 * @param {number} pressureScale what a pressure of 1 is worth in the unit of x and y
 * @returns {Point[]}
 *
 * Reference: Douglas and Peucker, Algorithms for the reduction of the number of points required
 * to represent a digitized line, Cartographica 10(2), 1973.
 */
export function simplify(points, tolerance, pressureScale) {
  if (points.length < 3) return [...points];
  const kept = new Uint8Array(points.length);
  kept[0] = kept[points.length - 1] = 1;
  const open = [[0, points.length - 1]];
  for (let span = open.pop(); span; span = open.pop()) {
    const [first, last] = span;
    let worst = tolerance;
    let at = -1;
    for (let i = first + 1; i < last; i += 1) {
      const away = deviation(points[i], points[first], points[last], pressureScale);
      if (away > worst) {
        worst = away;
        at = i;
      }
    }
    if (at > 0) {
      kept[at] = 1;
      open.push([first, at], [at, last]);
    }
  }
  return points.filter((_, index) => kept[index]);
}

/**
 * @param {Point} point
 * @param {Point} a
 * @param {Point} b
 * @param {number} pressureScale
 */
function deviation(point, a, b, pressureScale) {
  const dx = b[0] - a[0];
  const dy = b[1] - a[1];
  const squared = dx * dx + dy * dy;
  const along = squared > 0 ? ((point[0] - a[0]) * dx + (point[1] - a[1]) * dy) / squared : 0;
  const t = Math.min(1, Math.max(0, along));
  const aside = Math.hypot(point[0] - a[0] - t * dx, point[1] - a[1] - t * dy);
  const pressure = Math.abs(point[2] - a[2] - t * (b[2] - a[2])) * pressureScale;
  return Math.max(aside, pressure);
}
