import assert from "node:assert/strict";
import { test } from "node:test";

import { begin, reachOf, TOOLS } from "../../web/tools.js";
import { check, ROLES } from "../../web/strokes.js";
import { drawing, stroke } from "./documents.js";

/** Runs a gesture over places; returns what it did to its surface. */
function gesture(tool, places, settings = {}) {
  const seen = { committed: [], live: [], previews: [], edited: [], selected: [] };
  const samples = places.map(([x, y, pressure = 1, straight = false]) => ({
    x,
    y,
    pressure,
    straight,
  }));
  const one = begin(
    tool,
    samples[0],
    {
      document: drawing(),
      role: "neck",
      radius_px: 2,
      tapered: false,
      step: 1,
      selected: null,
      ...settings,
    },
    {
      drawLive: (points, tail) => seen.live.push([points, tail]),
      preview: (strokes) => seen.previews.push(strokes),
      showEdited: (document, box) => seen.edited.push([document, box]),
      select: (index) => seen.selected.push(index),
      commit: (document) => seen.committed.push(document),
    },
  );
  for (const sample of samples.slice(1)) one.extend(sample);
  one.finish();
  for (const document of seen.committed) check(document);
  return seen;
}

test("every tool makes at most one step, also of a single click", () => {
  for (const tool of TOOLS) assert.ok(gesture(tool, [[50, 40]]).committed.length <= 1, tool);
});

test("the pen adds one stroke of the chosen role from the first place to the last", () => {
  const seen = gesture("pen", [[10, 10, 0.5], [20, 14, 0.7], [30, 11, 0.9], [44, 10, 1]]);
  const [made] = seen.committed[0].strokes;
  assert.deepEqual([made.role, made.color, made.source], ["neck", ROLES.neck, "drawn"]);
  assert.deepEqual([made.points[0], made.points.at(-1)], [[10, 10, 0.5], [44, 10, 1]]);
});

test("a click of the pen is a dot", () => {
  assert.deepEqual(gesture("pen", [[7, 8]]).committed[0].strokes[0].points, [[7, 8, 1]]);
});

test("the pen draws each part of its line once", () => {
  const places = Array.from({ length: 200 }, (_, i) => [5 + i * 0.4, 40 + 20 * Math.sin(i / 9)]);
  const seen = gesture("pen", places, { step: 0.2 });
  const drawn = seen.live.map(([points]) => points.length).reduce((a, b) => a + b, 0);
  // Each place is about nine pieces of the curve; all of them again each time were 100,000.
  assert.ok(drawn < 2000, `${drawn} points drawn for 200 places`);
  assert.ok(seen.live.every(([, tail]) => tail.length <= 8));
});

test("without a pen's pressure the ends are thin", () => {
  const [made] = gesture("pen", [[10, 10], [50, 10], [90, 10]], { tapered: true }).committed[0]
    .strokes;
  assert.deepEqual([made.points[0][2], made.points.at(-1)[2]], [0.35, 0.35]);
});

test("the eraser shows what it changed and makes one step", () => {
  const document = drawing([stroke({ points: [[0, 40, 1], [100, 40, 1]] })]);
  const seen = gesture("eraser", [[50, 20], [50, 38], [50, 60]], { document });
  assert.equal(seen.committed.length, 1);
  assert.equal(seen.committed[0].strokes.length, 2);
  const [[, box]] = seen.edited;
  assert.ok(box.left < 50 && box.right > 50 && box.top < 40 && box.bottom > 40);
});

test("an eraser that touched nothing makes no step", () => {
  assert.deepEqual(gesture("eraser", [[50, 20], [60, 30]]).committed, []);
});

test("the eraser can be aimed at any zoom", () => {
  assert.equal(reachOf("eraser", 5, 0.1), 10);
  assert.equal(reachOf("eraser", 1, 4), 24);
  assert.equal(reachOf("pen", 5, 4), 5);
});

test("a line is straight, and snaps to 15 degrees with Shift", () => {
  const [free] = gesture("line", [[10, 10], [40, 30], [60, 20]]).committed[0].strokes;
  assert.deepEqual(free.points, [[10, 10, 1], [60, 20, 1]]);
  const [snapped] = gesture("line", [[10, 10], [60, 14, 1, true]]).committed[0].strokes;
  assert.equal(snapped.points[1][1], 10);
});

test("shapes are previewed before they are committed", () => {
  const seen = gesture("head", [[20, 10], [50, 60], [60, 70]]);
  assert.equal(seen.previews.length, 3);
  assert.deepEqual(seen.committed[0].strokes, seen.previews.at(-1));
  assert.deepEqual(gesture("limb", [[20, 10]]).committed, []);
});

test("moving takes the stroke along and a click only selects it", () => {
  const document = drawing([stroke(), stroke({ points: [[50, 50, 1]] })]);
  const moved = gesture("move", [[50, 50], [60, 55], [70, 60]], { document });
  assert.deepEqual(moved.selected, [1]);
  assert.deepEqual(moved.committed[0].strokes[1].points, [[70, 60, 1]]);
  const clicked = gesture("move", [[50, 50], [51, 51]], { document });
  assert.deepEqual([clicked.selected, clicked.committed], [[1], []]);
  assert.deepEqual(gesture("move", [[90, 5], [80, 5]], { document }).selected, [null]);
});

test("no gesture changes the document it started from", () => {
  const document = drawing([stroke(), stroke({ closed: true, points: [[20, 20, 1], [60, 20, 1], [40, 60, 1]] })]);
  const before = JSON.stringify(document);
  for (const tool of TOOLS) gesture(tool, [[10, 10], [30, 12], [60, 20], [40, 60]], { document });
  assert.equal(JSON.stringify(document), before);
});
