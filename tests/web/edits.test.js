import assert from "node:assert/strict";
import { test } from "node:test";

import * as edits from "../../web/edits.js";
import { check, MAX_POINTS, ROLES } from "../../web/strokes.js";
import { drawing, stroke } from "./documents.js";

const at = (x, y) => ({ x, y });
const square = stroke({
  closed: true,
  points: [
    [20, 20, 1],
    [60, 20, 1],
    [60, 60, 1],
    [20, 60, 1],
  ],
});

test("a drawn stroke has its role's colour and is inside what a document may hold", () => {
  const points = [
    [-1000, 4, 2],
    [3.14159, 9999, -1],
  ];
  const [made] = edits.strokes(drawing(), { role: "neck", points, radius_px: 3.333 });
  assert.deepEqual(made.points, [
    [-100, 4, 1],
    [3.14, 160, 0],
  ]);
  assert.deepEqual([made.color, made.radius_px, made.source], [ROLES.neck, 3.33, "drawn"]);
});

test("a line with too many points becomes strokes that touch", () => {
  const points = Array.from({ length: 2 * MAX_POINTS + 3 }, (_, i) => [i / 200, 5, 1]);
  const made = edits.strokes(drawing(), { role: "free", points, radius_px: 1, closed: true });
  assert.deepEqual(
    made.map((one) => one.points.length),
    [MAX_POINTS, MAX_POINTS, 5],
  );
  assert.deepEqual(made[0].points.at(-1), made[1].points[0]);
  assert.deepEqual(made.at(-1).points.at(-1), [50.01, 5, 1]);
  assert.ok(made.every((one) => one.closed === false));
  check(drawing(made));
});

test("a stroke of one point stays one", () => {
  const made = edits.strokes(drawing(), { role: "free", points: [[1, 2, 1]], radius_px: 1 });
  assert.equal(made.length, 1);
});

test("moving a proposed stroke makes it the user's own, and shares the others", () => {
  const before = drawing([stroke(), stroke({ source: "proposed" })]);
  const after = edits.move(before, 1, 5, -2);
  assert.deepEqual(after.strokes[1].points, [
    [15, 8, 1],
    [35, 8, 1],
  ]);
  assert.equal(after.strokes[1].source, "drawn");
  assert.equal(after.strokes[0], before.strokes[0]);
  assert.equal(before.strokes[1].source, "proposed");
});

test("mirroring turns about the picture's middle and swaps left and right", () => {
  const arm = stroke({ role: "arm_left", color: ROLES.arm_left });
  const after = edits.mirror(drawing([arm, stroke()]), 0);
  assert.deepEqual(after.strokes[0].points, [
    [89, 10, 1],
    [69, 10, 1],
  ]);
  assert.deepEqual([after.strokes[0].role, after.strokes[0].color], ["arm_right", ROLES.arm_right]);
  assert.deepEqual(after.strokes[1], stroke());
});

test("mirroring twice is what it was", () => {
  const before = drawing([stroke({ role: "leg_right", color: ROLES.leg_right }), square]);
  assert.deepEqual(edits.mirror(edits.mirror(before, null), null), before);
});

test("a colour of the user's own survives mirroring", () => {
  const before = drawing([stroke({ role: "arm_left", color: "#123456" })]);
  assert.equal(edits.mirror(before, null).strokes[0].color, "#123456");
});

test("the axis runs through neck and hips where the joints are known", () => {
  const landmarks = Array(18).fill([0, 0, 0]);
  landmarks[1] = [40, 10, 1];
  landmarks[8] = [35, 50, 1];
  landmarks[11] = [45, 50, 1];
  const before = drawing([stroke({ points: [[30, 30, 1]] })], { landmarks });
  assert.deepEqual(edits.mirror(before, null).strokes[0].points, [[50, 30, 1]]);
  const unsure = drawing([], { landmarks: landmarks.map(([x, y]) => [x, y, 0]) });
  assert.equal(edits.axisOf(unsure).from.x, 49.5);
});

test("a mirrored copy of all adds only what has a side", () => {
  const before = drawing([stroke(), stroke({ role: "arm_left" })]);
  const after = edits.mirror(before, null, true);
  assert.deepEqual(
    after.strokes.map((one) => one.role),
    ["head", "arm_left", "arm_right"],
  );
  assert.equal(edits.mirror(before, 0, true).strokes.length, 3);
});

test("erasing through the middle of a line leaves its two ends", () => {
  const line = stroke({
    points: [
      [0, 10, 1],
      [80, 10, 0.5],
    ],
    source: "proposed",
  });
  const after = edits.erase(drawing([line]), at(40, 0), at(40, 20), 5);
  const reach = 5 + 0.6 * line.radius_px;
  assert.deepEqual(
    after.strokes.map((one) => one.points),
    [
      [
        [0, 10, 1],
        [40 - reach, 10, 0.79],
      ],
      [
        [40 + reach, 10, 0.71],
        [80, 10, 0.5],
      ],
    ],
  );
  assert.ok(after.strokes.every((one) => one.source === "drawn"));
});

test("erasing beside everything gives the same document", () => {
  const before = drawing([stroke(), square]);
  assert.equal(edits.erase(before, at(90, 70), at(95, 75), 4), before);
});

test("a fast eraser misses nothing between two places", () => {
  const dot = stroke({ points: [[50, 40, 1]] });
  assert.equal(edits.erase(drawing([dot]), at(0, 40), at(100, 40), 2).strokes.length, 0);
});

test("a ring cut on one side stays in one piece", () => {
  const after = edits.erase(drawing([square]), at(60, 40), at(60, 40), 5);
  assert.equal(after.strokes.length, 1);
  const [left] = after.strokes;
  assert.equal(left.closed, false);
  assert.equal(left.points.length, 6);
  assert.deepEqual(left.points[0].slice(0, 1), [60]);
  check(after);
});

test("a ring cut at its first point loses only that part", () => {
  const after = edits.erase(drawing([square]), at(20, 20), at(20, 20), 5);
  assert.equal(after.strokes.length, 1);
  assert.equal(after.strokes[0].points.length, 5);
});

test("crumbs of a cut go as well", () => {
  const line = stroke({
    points: [
      [0, 10, 1],
      [7.5, 10, 1],
    ],
    radius_px: 4,
  });
  const after = edits.erase(drawing([line]), at(9, 10), at(9, 10), 6);
  assert.equal(after.strokes.length, 0);
});

test("erasing everything by many sweeps leaves valid documents", () => {
  let now = drawing([square, stroke(), stroke({ points: [[5, 5, 1]] })]);
  for (let y = 0; y <= 80; y += 3) {
    now = edits.erase(now, at(-10, y), at(110, y), 3);
    check(now);
  }
  assert.equal(now.strokes.length, 0);
});

test("the topmost stroke near a place is hit, the inside of a ring last", () => {
  const before = drawing([square, stroke({ points: [[40, 40, 1]] })]);
  assert.equal(edits.strokeAt(before, at(41, 40), 2), 1);
  assert.equal(edits.strokeAt(before, at(50, 50), 2), 0);
  assert.equal(edits.strokeAt(before, at(90, 70), 2), null);
});

test("a proposal replaces an older one and never what was drawn", () => {
  const mine = drawing([stroke(), stroke({ role: "neck", source: "proposed" })]);
  const proposal = drawing([
    stroke({ source: "proposed" }),
    stroke({ role: "hair", source: "proposed" }),
  ]);
  const names = (document) => document.strokes.map((one) => `${one.role} ${one.source}`);
  assert.deepEqual(names(edits.withProposal(mine, proposal, false)), [
    "head proposed",
    "hair proposed",
    "head drawn",
  ]);
  assert.deepEqual(names(edits.withProposal(mine, proposal, true)), [
    "hair proposed",
    "head drawn",
  ]);
  assert.deepEqual(names(edits.withProposal(null, proposal, true)), names(proposal));
});

test("strokes kept on another photo keep their place in the picture", () => {
  const photo = { width: 200, height: 320, fingerprint: "cd" };
  const landmarks = Array(18).fill([10, 10, 1]);
  const after = edits.onPhoto(drawing([stroke()], { landmarks }), photo);
  assert.deepEqual([after.width, after.height, after.photo], [200, 320, "cd"]);
  assert.deepEqual(after.strokes[0].points[0], [20, 40, 1]);
  assert.equal(after.strokes[0].radius_px, 5.66);
  assert.deepEqual(after.landmarks[0], [20, 40, 1]);
});
