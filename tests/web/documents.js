/** Documents for the tests, drawn by hand. */

export function stroke(more = {}) {
  return {
    role: "head",
    points: [
      [10, 10, 1],
      [30, 10, 1],
    ],
    radius_px: 2,
    color: "#e69f00",
    closed: false,
    source: "drawn",
    ...more,
  };
}

export function drawing(strokes = [], more = {}) {
  return { version: 1, width: 100, height: 80, photo: "ab12", strokes, ...more };
}

export const PHOTO = Object.freeze({
  reference: { filename: "a.png", subfolder: "", type: "input" },
  width: 100,
  height: 80,
  fingerprint: "ab12",
});
