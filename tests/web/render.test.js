import assert from "node:assert/strict";
import { test } from "node:test";

import { addDiscs, addSeenDiscs, addStroke, hints, MIN_RADIUS_PX, scaleTo } from "../../web/render.js";
import * as templates from "../../web/templates.js";
import { ROLES } from "../../web/strokes.js";
import { drawing, stroke } from "./documents.js";

/** Remembers rings of points; arcs become their ends of the axes. */
function recorder() {
  const rings = [];
  return {
    rings,
    moveTo: (x, y) => rings.push([[x, y]]),
    lineTo: (x, y) => rings.at(-1).push([x, y]),
    arc(x, y, radius) {
      rings.at(-1).push([x, y + radius], [x - radius, y], [x, y - radius]);
    },
    closePath() {},
  };
}

const turn = (ring) =>
  Math.sign(
    ring.reduce((sum, [x, y], i) => {
      const [nextX, nextY] = ring[(i + 1) % ring.length];
      return sum + x * nextY - nextX * y;
    }, 0),
  );

test("all parts of a stroke turn the same way, so that none cuts a hole into another", () => {
  const path = recorder();
  const ring = Array.from({ length: 12 }, (_, i) => ({
    x: 50 + 30 * Math.cos(i),
    y: 50 + 30 * Math.sin(2 * i),
    radius: 2 + (i % 3),
  }));
  addDiscs(path, ring, true);
  assert.equal(path.rings.length, 24);
  assert.deepEqual([...new Set(path.rings.map(turn))], [1]);
});

/** A line of growing width whose bends turn both ways. */
const bent = Array.from({ length: 40 }, (_, i) => ({
  x: 20 + 3 * i,
  y: 60 + 25 * Math.sin(i / 6),
  radius: 6 + i / 5,
}));

/** How often rings go around a place. */
const windings = (rings, x, y) =>
  rings.reduce((sum, ring) => {
    ring.forEach(([ax, ay], i) => {
      const [bx, by] = ring[(i + 1) % ring.length];
      const side = (bx - ax) * (y - ay) - (x - ax) * (by - ay);
      if (ay <= y && by > y && side > 0) sum += 1;
      if (ay > y && by <= y && side < 0) sum -= 1;
    });
    return sum;
  }, 0);

test("the outer side of a bend has no notch where its disc is left out", () => {
  const path = recorder();
  addSeenDiscs(path, bent, false);
  assert.equal(path.rings.filter((ring) => ring.length === 5).length, bent.length - 2);
  assert.deepEqual([...new Set(path.rings.map(turn))], [1]);
  for (const { x, y, radius } of bent.slice(6, -6)) { // the recorded ends are no discs
    for (let angle = 0; angle < 2 * Math.PI; angle += 0.04) {
      const [px, py] = [0, 1].map((axis) => (radius - 0.1) * [Math.cos, Math.sin][axis](angle));
      assert.notEqual(windings(path.rings, x + px, y + py), 0, `notch at ${x}, ${y}`);
    }
  }
});

test("the first pixel's centre is half a pixel into the canvas", () => {
  const path = recorder();
  const one = stroke({ points: [[0, 0, 1]], radius_px: 3 });
  addStroke(path, one, scaleTo(drawing(), 100, 80));
  assert.deepEqual(path.rings, [
    [
      [3.5, 0.5],
      [0.5, 3.5],
      [-2.5, 0.5],
      [0.5, -2.5],
    ],
  ]);
});

test("radii grow by the mean of both scales and are never too thin to see", () => {
  const path = recorder();
  const scale = scaleTo(drawing(), 400, 80);
  assert.deepEqual(scale, { x: 4, y: 1, radius: 2 });
  addStroke(path, stroke({ points: [[0, 0, 0.5]], radius_px: 3 }), scale);
  addStroke(path, stroke({ points: [[0, 0, 0]] }), scale);
  // Pixels are squares: the centre of the first one is at 2 of a canvas four times as wide.
  assert.equal(path.rings[0][0][0], 2 + 3);
  assert.equal(path.rings[1][0][0], 2 + MIN_RADIUS_PX);
});

test("a closed stroke has a piece from its last point to its first", () => {
  const [open, closed] = [recorder(), recorder()];
  const points = [
    [0, 0, 1],
    [9, 0, 1],
    [9, 9, 1],
  ];
  addStroke(open, stroke({ points }), scaleTo(drawing(), 100, 80));
  addStroke(closed, stroke({ points, closed: true }), scaleTo(drawing(), 100, 80));
  assert.deepEqual([open.rings.length, closed.rings.length], [5, 6]);
});

test("corrections of a parsing are no hints", () => {
  const document = drawing([stroke(), stroke({ role: "garment" }), stroke({ role: "background" })]);
  assert.deepEqual(
    hints(document).map((one) => one.role),
    ["head"],
  );
});

test("a head fills the box that was drawn and has a face", () => {
  const shapes = templates.head({ x: 70, y: 60 }, { x: 10, y: 20 }, { height: 80 });
  assert.deepEqual(
    shapes.map((one) => [one.role, one.closed]),
    [
      ["head", true],
      ["face", false],
      ["face", false],
    ],
  );
  const ys = shapes[0].points.map(([, y]) => y);
  assert.ok(Math.abs(Math.min(...ys) - 20) < 1e-9 && Math.abs(Math.max(...ys) - 60) < 1e-9);
  assert.ok(shapes.flatMap((one) => one.points).every(([x]) => x >= 10 && x <= 70));
});

test("a click places a head of a usual size", () => {
  const [outline] = templates.head({ x: 50, y: 40 }, { x: 51, y: 40 }, { height: 900 });
  const ys = outline.points.map(([, y]) => y);
  assert.ok(Math.abs(Math.max(...ys) - Math.min(...ys) - 100) < 1e-9);
});

test("a limb reaches around both joints and is wider at the first", () => {
  const [limb] = templates.limb({ x: 0, y: 0 }, { x: 0, y: 100 }, "arm_left");
  const half = (from, to) =>
    Math.max(...limb.points.filter(([, y]) => y >= from && y <= to).map(([x]) => Math.abs(x)));
  assert.ok(half(-20, 20) > half(80, 120));
  assert.ok(limb.points.some(([, y]) => y > 100) && limb.points.some(([, y]) => y < 0));
  assert.ok(limb.role in ROLES && limb.closed);
  assert.deepEqual(templates.limb({ x: 5, y: 5 }, { x: 5, y: 5 }, "arm_left"), []);
});
