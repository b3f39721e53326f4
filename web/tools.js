// @ts-check
/**
 * The tools: what one press, drag and release of a pointer does. A gesture draws what it is
 * about through the surface and commits one document, or nothing, when it ends.
 */

import * as edits from "./edits.js";
import { bounds, union } from "./geometry.js";
import { isNews, line, LOOKAHEAD, piece, taper } from "./smoothing.js";
import * as templates from "./templates.js";

/** @typedef {import("./strokes.js").Point} Point */
/** @typedef {import("./strokes.js").Stroke} Stroke */
/** @typedef {import("./strokes.js").StrokeDocument} StrokeDocument */
/** @typedef {import("./geometry.js").Box} Box */
/**
 * @typedef {object} Sample a place of the pointer in photo pixels
 * @property {number} x
 * @property {number} y
 * @property {number} pressure
 * @property {boolean} [straight] the Shift key is down
 */
/**
 * @typedef {object} Settings
 * @property {StrokeDocument} document what the gesture starts from
 * @property {string} role
 * @property {number} radius_px
 * @property {boolean} tapered thin ends, for pointers without pressure of their own
 * @property {number} step one pixel of the stage, in photo pixels
 * @property {number | null} selected
 */
/**
 * @typedef {object} Surface
 * @property {(points: readonly Point[], tail: readonly Point[]) => void} drawLive
 * @property {(strokes: readonly Stroke[]) => void} preview
 * @property {(document: StrokeDocument, changed: Box) => void} showEdited
 * @property {(index: number | null) => void} select
 * @property {(document: StrokeDocument) => void} commit
 */
/**
 * @typedef {object} Gesture
 * @property {(sample: Sample) => void} extend
 * @property {() => void} finish
 */
/** @typedef {(start: Sample, settings: Settings, surface: Surface) => Gesture} Tool */

export const TOOLS = Object.freeze(["pen", "eraser", "line", "head", "limb", "move"]);

const SNAP_DEG = 15; // of a line drawn with Shift
const ERASER = 2; // radii of the pen: an eraser as thin as the pen misses
const MIN_ERASER_STEPS = 6; // pixels of the stage: smaller ones cannot be aimed
const TOUCH_STEPS = 6; // pixels of the stage within which a stroke counts as hit

/** @type {Record<string, Tool>} */
const GESTURES = { pen, eraser, line: straight, head, limb, move };

/**
 * @param {string} tool one of TOOLS
 * @param {Sample} start
 * @param {Settings} settings
 * @param {Surface} surface
 */
export function begin(tool, start, settings, surface) {
  return GESTURES[tool](start, settings, surface);
}

/**
 * Half the width of what a tool touches, for its cursor.
 *
 * @param {string} tool
 * @param {number} radius_px
 * @param {number} step
 */
export function reachOf(tool, radius_px, step) {
  return tool === "eraser" ? Math.max(ERASER * radius_px, MIN_ERASER_STEPS * step) : radius_px;
}

/** @type {Tool} */
function pen(start, settings, surface) {
  const { document, role, radius_px, step } = settings;
  /** @type {Point[]} */
  const raw = [[start.x, start.y, start.pressure]];
  let last = raw[0];
  let drawn = 0; // pieces of the curve that are on the screen for good
  surface.drawLive(raw, []);
  return {
    extend(sample) {
      last = [sample.x, sample.y, sample.pressure];
      if (isNews(raw, last, step)) raw.push(last);
      /** @type {Point[]} */
      const fresh = [];
      for (; drawn + LOOKAHEAD < raw.length; drawn += 1) {
        if (fresh.length === 0) fresh.push(drawn ? end(raw, drawn - 1, step) : raw[0]);
        fresh.push(...piece(raw, drawn, step));
      }
      surface.drawLive(fresh, [...raw.slice(Math.max(0, drawn - 1)), last]);
    },
    finish() {
      if (last !== raw.at(-1) && raw.length > 1) raw.push(last);
      const smooth = line(raw, step, radius_px);
      const points = settings.tapered ? taper(smooth, radius_px) : smooth;
      surface.commit(edits.add(document, edits.strokes(document, { role, points, radius_px })));
    },
  };
}

/**
 * @param {Point[]} raw
 * @param {number} index
 * @param {number} step
 */
function end(raw, index, step) {
  return /** @type {Point} */ (piece(raw, index, step).at(-1));
}

/** @type {Tool} */
function eraser(start, settings, surface) {
  const radius = reachOf("eraser", settings.radius_px, settings.step);
  let at = start;
  let document = settings.document;
  /** @param {Sample} sample */
  const sweep = (sample) => {
    const next = edits.erase(document, at, sample, radius);
    if (next !== document) surface.showEdited(next, changedBetween(document, next));
    at = sample;
    document = next;
  };
  sweep(start);
  return {
    extend: sweep,
    finish() {
      if (document !== settings.document) surface.commit(document);
    },
  };
}

/**
 * @param {StrokeDocument} before
 * @param {StrokeDocument} after
 */
function changedBetween(before, after) {
  const kept = new Set(after.strokes);
  /** @type {Box | null} */
  let box = null;
  for (const stroke of before.strokes) {
    if (!kept.has(stroke)) box = union(box, bounds(stroke.points, 2 * stroke.radius_px + 2));
  }
  return /** @type {Box} */ (box);
}

/** @type {Tool} */
function straight(start, settings, surface) {
  return shape(start, settings, surface, (to) => {
    const { x, y } = to.straight ? snapped(start, to) : to;
    /** @type {Point[]} */
    const both = [
      [start.x, start.y, 1],
      [x, y, 1],
    ];
    const points = settings.tapered ? taper(both, settings.radius_px) : both;
    const isDot = Math.hypot(x - start.x, y - start.y) < settings.step;
    return [{ role: settings.role, points: isDot ? both.slice(0, 1) : points, closed: false }];
  });
}

/** @type {Tool} */
function head(start, settings, surface) {
  const picture = settings.document;
  return shape(start, settings, surface, (to) => templates.head(start, to, picture));
}

/** @type {Tool} */
function limb(start, settings, surface) {
  return shape(start, settings, surface, (to) => templates.limb(start, to, settings.role));
}

/**
 * @param {Sample} start
 * @param {Settings} settings
 * @param {Surface} surface
 * @param {(to: Sample) => {role: string, points: Point[], closed: boolean}[]} shapes
 * @returns {Gesture}
 */
function shape(start, settings, surface, shapes) {
  const { document, radius_px } = settings;
  let to = start;
  const strokes = () =>
    shapes(to).flatMap((one) => edits.strokes(document, { ...one, radius_px }));
  surface.preview(strokes());
  return {
    extend(sample) {
      to = sample;
      surface.preview(strokes());
    },
    finish() {
      const made = strokes();
      if (made.length > 0) surface.commit(edits.add(document, made));
    },
  };
}

/** @type {Tool} */
function move(start, settings, surface) {
  const { document, step } = settings;
  const index = edits.strokeAt(document, start, TOUCH_STEPS * step);
  surface.select(index);
  let moved = document;
  return {
    extend(sample) {
      if (index === null) return;
      const [dx, dy] = [sample.x - start.x, sample.y - start.y];
      // A click that trembles selects and moves nothing.
      if (moved === document && Math.hypot(dx, dy) < 3 * step) return;
      const next = edits.move(document, index, dx, dy);
      surface.showEdited(next, changedBy(moved, next, index));
      moved = next;
    },
    finish() {
      if (moved !== document) surface.commit(moved);
    },
  };
}

/**
 * @param {StrokeDocument} before
 * @param {StrokeDocument} after
 * @param {number} index
 */
function changedBy(before, after, index) {
  const [one, other] = [before.strokes[index], after.strokes[index]];
  const margin = 2 * one.radius_px + 2;
  return union(bounds(one.points, margin), bounds(other.points, margin));
}

/**
 * @param {Sample} from
 * @param {Sample} to
 */
function snapped(from, to) {
  const unit = (SNAP_DEG * Math.PI) / 180;
  const angle = Math.round(Math.atan2(to.y - from.y, to.x - from.x) / unit) * unit;
  const length = Math.hypot(to.x - from.x, to.y - from.y);
  return { x: from.x + length * Math.cos(angle), y: from.y + length * Math.sin(angle) };
}
