// @ts-check
/**
 * The stroke document: read, checked and written as docs/strokes.md says.
 *
 * Texts come from workflow files of strangers, so everything is checked. Documents are never
 * changed in place; every edit makes a new one that shares the untouched strokes.
 */

/** @typedef {[number, number, number]} Point x, y in photo pixels, pressure 0 to 1 */
/**
 * @typedef {object} Stroke
 * @property {string} role
 * @property {readonly Point[]} points
 * @property {number} radius_px
 * @property {string} color
 * @property {boolean} closed
 * @property {"drawn" | "proposed"} source
 */
/**
 * @typedef {object} StrokeDocument
 * @property {number} version
 * @property {number} width
 * @property {number} height
 * @property {string} photo fingerprint of the photo, "" where unknown
 * @property {readonly Stroke[]} strokes
 * @property {readonly Point[] | null} [landmarks] 18 joints, x, y, confidence
 */

export const VERSION = 1;
export const MAX_BYTES = 2_000_000;
export const MAX_STROKES = 500;
export const MAX_POINTS = 5_000;
export const MAX_SIDE_PX = 16_384;
export const MIN_RADIUS_PX = 0.1;
export const MAX_RADIUS_PX = 1_000;
export const LANDMARKS = 18;
export const MAX_LANDMARK_PX = 10 * MAX_SIDE_PX; // joints may lie far outside a photo of a blouse
export const DECIMALS = 2;

/** Role to sRGB colour, as imaging/strokes.py has them. @type {Readonly<Record<string, string>>} */
export const ROLES = Object.freeze({
  head: "#e69f00",
  face: "#f0e442",
  hair: "#8c510a",
  neck: "#d55e00",
  shoulders: "#cc79a7",
  arm_left: "#0072b2",
  arm_right: "#56b4e9",
  hand_left: "#004c8c",
  hand_right: "#1fa3c7",
  torso: "#999999",
  leg_left: "#009e73",
  leg_right: "#66c2a5",
  foot_left: "#00644a",
  foot_right: "#2fae8e",
  free: "#ffffff",
  garment: "#00d084",
  mannequin: "#ff8a3d",
  background: "#3b3b3b",
});

/** Roles that correct a parsing; they are no hints and never drawn into pictures of hints. */
export const CORRECTIONS = Object.freeze(["garment", "mannequin", "background"]);
export const SOURCES = Object.freeze(["proposed", "drawn"]);

const DOCUMENT_KEYS = ["version", "width", "height", "photo", "strokes"];
const STROKE_KEYS = ["role", "points", "radius_px", "color", "closed", "source"];
const COLOR = /^#[0-9a-f]{6}$/;
const PHOTO = /^[0-9a-f]{0,64}$/;

/** Says by `code` and `values` what is wrong; texts.js has the sentences. */
export class DocumentError extends Error {
  /**
   * @param {string} code
   * @param {Record<string, string | number>} [values]
   */
  constructor(code, values = {}) {
    super(`${code} ${JSON.stringify(values)}`);
    this.name = "DocumentError";
    this.code = code;
    this.values = values;
  }
}

/**
 * Reads and checks a document.
 *
 * @param {string} text
 * @returns {StrokeDocument}
 */
export function parse(text) {
  requireBytes(text);
  let content;
  try {
    content = JSON.parse(text);
  } catch {
    throw new DocumentError("not-json");
  }
  return check(content);
}

/**
 * Checks a document that came as an object, as from the server.
 *
 * @param {any} content
 * @returns {StrokeDocument}
 */
export function check(content) {
  requireKeys("strokes", content, DOCUMENT_KEYS, ["landmarks"]);
  if (content.version !== VERSION) {
    throw new DocumentError("version", { wanted: VERSION, got: show(content.version) });
  }
  const width = side("width", content.width);
  const height = side("height", content.height);
  if (typeof content.photo !== "string" || !PHOTO.test(content.photo)) {
    throw new DocumentError("photo", { got: show(content.photo) });
  }
  if (!Array.isArray(content.strokes) || content.strokes.length > MAX_STROKES) {
    const got = Array.isArray(content.strokes) ? content.strokes.length : show(content.strokes);
    throw new DocumentError("too-many-strokes", { limit: MAX_STROKES, got });
  }
  const strokes = content.strokes.map((/** @type {any} */ one, /** @type {number} */ index) =>
    checkStroke(one, index, width, height),
  );
  const { photo } = content;
  const landmarks = checkLandmarks(content.landmarks);
  return { version: VERSION, width, height, photo, strokes, ...(landmarks && { landmarks }) };
}

/**
 * Writes a document as one line of JSON with numbers rounded to two decimals.
 *
 * @param {StrokeDocument} document
 * @returns {string}
 */
export function serialise(document) {
  const text = JSON.stringify({
    version: VERSION,
    width: document.width,
    height: document.height,
    photo: document.photo,
    strokes: document.strokes.map((stroke) => ({
      role: stroke.role,
      points: stroke.points.map((point) => point.map(rounded)),
      radius_px: rounded(stroke.radius_px),
      color: stroke.color,
      closed: stroke.closed,
      source: stroke.source,
    })),
    ...(document.landmarks && {
      landmarks: document.landmarks.map((point) => point.map(rounded)),
    }),
  });
  requireBytes(text);
  return text;
}

/**
 * @param {{width: number, height: number, fingerprint: string}} photo
 * @returns {StrokeDocument}
 */
export function empty(photo) {
  const { width, height, fingerprint } = photo;
  return { version: VERSION, width, height, photo: fingerprint, strokes: [] };
}

/** @param {number} value */
export function rounded(value) {
  // Adding zero turns a negative zero into zero.
  return Math.round(value * 10 ** DECIMALS) / 10 ** DECIMALS + 0;
}

/** @param {string} text */
function requireBytes(text) {
  // The length alone first: encoding a huge text would cost what the limit is to save.
  const got = text.length > MAX_BYTES ? text.length : new TextEncoder().encode(text).length;
  if (got > MAX_BYTES) {
    throw new DocumentError("too-long", { limit: MAX_BYTES, got });
  }
}

/**
 * @param {any} content
 * @param {number} index
 * @param {number} width
 * @param {number} height
 * @returns {Stroke}
 */
function checkStroke(content, index, width, height) {
  const name = `stroke ${index}`;
  requireKeys(name, content, STROKE_KEYS);
  const { role, points, color, closed, source } = content;
  if (typeof role !== "string" || !Object.hasOwn(ROLES, role)) {
    throw new DocumentError("role", { name, got: show(role) });
  }
  if (!SOURCES.includes(source)) {
    throw new DocumentError("source", { name, got: show(source) });
  }
  if (typeof color !== "string" || !COLOR.test(color)) {
    throw new DocumentError("color", { name, got: show(color) });
  }
  if (typeof closed !== "boolean") {
    throw new DocumentError("closed", { name, got: show(closed) });
  }
  const radius_px = number(`${name}: radius_px`, content.radius_px, MIN_RADIUS_PX, MAX_RADIUS_PX);
  if (!Array.isArray(points) || points.length < 1 || points.length > MAX_POINTS) {
    const got = Array.isArray(points) ? points.length : show(points);
    throw new DocumentError("points", { name, limit: MAX_POINTS, got });
  }
  const across = /** @type {[number, number]} */ ([-width, 2 * width]);
  const down = /** @type {[number, number]} */ ([-height, 2 * height]);
  const read = points.map((point, at) => triple(`${name}, point ${at}`, point, across, down));
  return { role, points: read, radius_px, color, closed, source };
}

/**
 * @param {any} content
 * @returns {Point[] | null}
 */
function checkLandmarks(content) {
  if (content === undefined || content === null) return null;
  if (!Array.isArray(content) || content.length !== LANDMARKS) {
    throw new DocumentError("landmarks", { wanted: LANDMARKS, got: show(content) });
  }
  const far = /** @type {[number, number]} */ ([-MAX_LANDMARK_PX, MAX_LANDMARK_PX]);
  return content.map((joint, at) => triple(`landmark ${at}`, joint, far, far));
}

/**
 * @param {string} name
 * @param {any} content
 * @param {[number, number]} across
 * @param {[number, number]} down
 * @returns {Point}
 */
function triple(name, content, across, down) {
  if (!Array.isArray(content) || content.length !== 3) {
    throw new DocumentError("point", { name, got: show(content) });
  }
  return [
    number(`${name}: x`, content[0], ...across),
    number(`${name}: y`, content[1], ...down),
    number(`${name}: 3`, content[2], 0, 1),
  ];
}

/**
 * @param {string} name
 * @param {any} content
 * @param {string[]} wanted
 * @param {string[]} [optional]
 */
function requireKeys(name, content, wanted, optional = []) {
  const isObject = typeof content === "object" && content !== null && !Array.isArray(content);
  const keys = isObject ? Object.keys(content) : [];
  const fits =
    wanted.every((key) => keys.includes(key)) &&
    keys.every((key) => wanted.includes(key) || optional.includes(key));
  if (!isObject || !fits) {
    const got = isObject ? show(keys.join(", ")) : show(content);
    throw new DocumentError("keys", { name, wanted: wanted.join(", "), got });
  }
}

/**
 * @param {string} name
 * @param {any} value
 */
function side(name, value) {
  if (!Number.isInteger(value) || value < 1 || value > MAX_SIDE_PX) {
    throw new DocumentError("side", { name, high: MAX_SIDE_PX, got: show(value) });
  }
  return value;
}

/**
 * @param {string} name
 * @param {any} value
 * @param {number} low
 * @param {number} high
 */
function number(name, value, low, high) {
  if (typeof value !== "number" || !(low <= value && value <= high)) {
    throw new DocumentError("number", { name, low, high, got: show(value) });
  }
  return rounded(value);
}

/** A short form of hostile input, safe in a sentence. @param {any} value */
function show(value) {
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === "object" && value !== null) {
    return `an object of ${Object.keys(value).length}`;
  }
  return String(value).slice(0, 60);
}
