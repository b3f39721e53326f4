// @ts-check
/** Ready-made shapes: a head with its face, and a limb. */

/** @typedef {import("./strokes.js").Point} Point */
/** @typedef {import("./geometry.js").Place} Place */
/** @typedef {{role: string, points: Point[], closed: boolean}} Shape */

const HEAD_POINTS = 32;
const JAW = 0.22; // how much narrower a head is at the jaw than at the temples, of its half width
const HEAD_WIDTH = 0.75; // of its height: the average adult's, from the front
const EYE_LINE = 0.06; // of the head's height below its middle
const LIMB_POINTS = 10; // around each end
const LIMB_START = 0.13; // half width over length: an upper arm at the shoulder
const LIMB_END = 0.085; // the same at the wrist
const DEFAULT_HEAD = 1 / 9; // of the picture's height, for a click without a drag

/**
 * A head in the box that the user drew, or of a usual size around a click.
 *
 * @param {Place} from
 * @param {Place} to
 * @param {{height: number}} picture
 * @returns {Shape[]}
 */
export function head(from, to, picture) {
  const dragged = Math.abs(to.y - from.y) > 4 && Math.abs(to.x - from.x) > 4;
  const tall = dragged ? Math.abs(to.y - from.y) / 2 : (DEFAULT_HEAD * picture.height) / 2;
  const wide = dragged ? Math.abs(to.x - from.x) / 2 : tall * HEAD_WIDTH;
  const x = dragged ? (from.x + to.x) / 2 : from.x;
  const y = dragged ? (from.y + to.y) / 2 : from.y;
  /** @type {Point[]} */
  const outline = Array.from({ length: HEAD_POINTS }, (_, i) => {
    const angle = (2 * Math.PI * i) / HEAD_POINTS;
    const down = -Math.cos(angle);
    const narrowing = 1 - JAW * Math.max(0, down);
    return [x + wide * narrowing * Math.sin(angle), y + tall * down, 1];
  });
  const eyes = y + 2 * tall * EYE_LINE;
  return [
    { role: "head", points: outline, closed: true },
    { role: "face", points: sampled(x, y - 0.5 * tall, x, y + 0.6 * tall), closed: false },
    { role: "face", points: sampled(x - 0.6 * wide, eyes, x + 0.6 * wide, eyes), closed: false },
  ];
}

/**
 * A limb from one joint to the other, wide at the first.
 *
 * @param {Place} from
 * @param {Place} to
 * @param {string} role
 * @returns {Shape[]}
 */
export function limb(from, to, role) {
  const length = Math.hypot(to.x - from.x, to.y - from.y);
  if (length < 1) return [];
  const along = Math.atan2(to.y - from.y, to.x - from.x);
  const [wide, narrow] = [LIMB_START * length, LIMB_END * length];
  const far = arc(to, narrow, along + Math.PI / 2, along - Math.PI / 2);
  const near = arc(from, wide, along - Math.PI / 2, along - (3 * Math.PI) / 2);
  return [{ role, points: [...far, ...near], closed: true }];
}

/**
 * @param {Place} center
 * @param {number} radius
 * @param {number} start
 * @param {number} end
 * @returns {Point[]}
 */
function arc(center, radius, start, end) {
  return Array.from({ length: LIMB_POINTS }, (_, i) => {
    const angle = start + ((end - start) * i) / (LIMB_POINTS - 1);
    return [center.x + radius * Math.cos(angle), center.y + radius * Math.sin(angle), 1];
  });
}

/**
 * @param {number} ax
 * @param {number} ay
 * @param {number} bx
 * @param {number} by
 * @returns {Point[]}
 */
function sampled(ax, ay, bx, by) {
  return [
    [ax, ay, 1],
    [bx, by, 1],
  ];
}
