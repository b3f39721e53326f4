import assert from "node:assert/strict";
import { test } from "node:test";

import * as geometry from "../../web/geometry.js";
import { isNews, line, LOOKAHEAD, piece, taper } from "../../web/smoothing.js";

const circle = (count, radius) =>
  Array.from({ length: count + 1 }, (_, i) => {
    const angle = (2 * Math.PI * i) / count;
    return [radius * Math.cos(angle), radius * Math.sin(angle), 1];
  });

test("distance to a segment is to its nearest place, also beyond its ends", () => {
  const [a, b] = [{ x: 0, y: 0 }, { x: 10, y: 0 }];
  assert.equal(geometry.distanceToSegment(5, 3, a, b), 3);
  assert.equal(geometry.distanceToSegment(13, 4, a, b), 5);
  assert.equal(geometry.distanceToSegment(3, 4, a, a), 5);
});

test("reflecting twice is where one began", () => {
  const axis = { from: { x: 3, y: -1 }, to: { x: 8, y: 20 } };
  const [x, y] = geometry.reflect(geometry.reflect([7, 5, 0.5], axis), axis);
  assert.ok(Math.hypot(x - 7, y - 5) < 1e-9);
});

test("points on a straight line are left out, corners stay", () => {
  const points = [
    [0, 0, 1],
    [5, 0.01, 1],
    [10, 0, 1],
    [10, 10, 1],
  ];
  assert.deepEqual(geometry.simplify(points, 0.1, 1), [points[0], points[2], points[3]]);
});

test("a change of pressure alone keeps a point", () => {
  const points = [
    [0, 0, 1],
    [5, 0, 0.2],
    [10, 0, 1],
  ];
  assert.equal(geometry.simplify(points, 0.5, 4).length, 3);
});

test("the inside of a ring is told from its outside", () => {
  const ring = circle(20, 10);
  assert.equal(geometry.isInside(1, 2, ring), true);
  assert.equal(geometry.isInside(9, 9, ring), false);
});

test("a fast circle of twelve places becomes round", () => {
  const smooth = line(circle(12, 100), 1, 5);
  const away = [];
  for (let i = 1; i < smooth.length; i += 1) {
    for (const t of [0, 0.5]) {
      const x = smooth[i - 1][0] + t * (smooth[i][0] - smooth[i - 1][0]);
      const y = smooth[i - 1][1] + t * (smooth[i][1] - smooth[i - 1][1]);
      away.push(Math.abs(Math.hypot(x, y) - 100));
    }
  }
  // The polygon through the places is 3.4 off in the middle of its sides.
  assert.ok(Math.max(...away) < 1.2, `${Math.max(...away)} off`);
});

test("a slow line of whole pixels becomes straight", () => {
  const stairs = Array.from({ length: 60 }, (_, i) => [i * 2, Math.round(i * 0.7), 1]);
  const smooth = line(stairs, 1, 3);
  const off = smooth.map(([x, y]) => Math.abs(y - x * 0.35));
  assert.ok(Math.max(...off) < 0.6);
  assert.ok(smooth.length < 30);
});

test("both ends stay where the pointer was", () => {
  const raw = circle(9, 50).slice(0, 7);
  const smooth = line(raw, 1, 5);
  assert.deepEqual(smooth[0], raw[0]);
  assert.deepEqual(smooth.at(-1), raw.at(-1));
});

test("a piece of the live line is that of the finished line", () => {
  const raw = circle(15, 80);
  for (let i = 0; i + LOOKAHEAD < raw.length - 1; i += 1) {
    assert.deepEqual(piece(raw.slice(0, i + LOOKAHEAD + 1), i, 1), piece(raw, i, 1));
  }
});

test("equal places make no number that is none", () => {
  const still = Array(5).fill([3, 3, 1]);
  assert.ok(line(still, 1, 2).flat().every(Number.isFinite));
});

test("places closer than a pixel and a half are no news", () => {
  assert.equal(isNews([[0, 0, 1]], [1, 0, 1], 1), false);
  assert.equal(isNews([[0, 0, 1]], [2, 0, 1], 1), true);
  assert.equal(isNews([], [0, 0, 1], 1), true);
});

test("a taper thins both ends and keeps the middle", () => {
  const points = taper(
    [
      [0, 0, 1],
      [100, 0, 1],
    ],
    5,
  );
  assert.deepEqual(points[0], [0, 0, 0.35]);
  assert.deepEqual(points.at(-1), [100, 0, 0.35]);
  assert.deepEqual(
    points.slice(1, -1).map(([x, , pressure]) => [x, pressure]),
    [
      [30, 1],
      [70, 1],
    ],
  );
  assert.deepEqual(taper([[1, 1, 1]], 5), [[1, 1, 1]]);
});
