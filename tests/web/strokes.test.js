import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";

import * as strokes from "../../web/strokes.js";
import { drawing, stroke } from "./documents.js";

const SCHEMA = new URL("../../docs/strokes.schema.json", import.meta.url);

function code(act) {
  try {
    act();
  } catch (error) {
    assert.ok(error instanceof strokes.DocumentError, String(error));
    return error.code;
  }
  return "accepted";
}

test("what was written is read again", () => {
  const landmarks = Array.from({ length: 18 }, (_, i) => [i, -2 * i - 1, 0.5]);
  const document = drawing([stroke({ closed: true }), stroke({ role: "free" })], { landmarks });
  assert.deepEqual(strokes.parse(strokes.serialise(document)), document);
});

test("numbers are written with two decimals and without negative zero", () => {
  const document = drawing([stroke({ points: [[1.23456, -0.001, 0.333]], radius_px: 2.999 })]);
  const written = JSON.parse(strokes.serialise(document)).strokes[0];
  assert.deepEqual([written.points, written.radius_px], [[[1.23, 0, 0.33]], 3]);
});

const without = (key) => {
  const { [key]: _, ...rest } = drawing();
  return rest;
};
const WRONG = {
  "nothing": [null, "keys"],
  "a list": [[], "keys"],
  "a missing key": [without("photo"), "keys"],
  "an unknown key": [{ ...drawing(), more: 1 }, "keys"],
  "another version": [drawing([], { version: 2 }), "version"],
  "no width": [drawing([], { width: 0 }), "side"],
  "a broken height": [drawing([], { height: 1.5 }), "side"],
  "a huge side": [drawing([], { width: 16_385 }), "side"],
  "a fingerprint of other letters": [drawing([], { photo: "XYZ" }), "photo"],
  "strokes that are no list": [drawing({}), "too-many-strokes"],
  "too many strokes": [drawing(Array(501).fill(stroke())), "too-many-strokes"],
  "a stroke that is none": [drawing([3]), "keys"],
  "a stroke with more": [drawing([stroke({ id: 1 })]), "keys"],
  "an unknown role": [drawing([stroke({ role: "tail" })]), "role"],
  "a role of every object": [drawing([stroke({ role: "toString" })]), "role"],
  "an unknown source": [drawing([stroke({ source: "found" })]), "source"],
  "a colour's name": [drawing([stroke({ color: "red" })]), "color"],
  "closed as a number": [drawing([stroke({ closed: 1 })]), "closed"],
  "no radius": [drawing([stroke({ radius_px: 0 })]), "number"],
  "no points": [drawing([stroke({ points: [] })]), "points"],
  "too many points": [drawing([stroke({ points: Array(5001).fill([1, 1, 1]) })]), "points"],
  "a pair": [drawing([stroke({ points: [[1, 2]] })]), "point"],
  "a text for x": [drawing([stroke({ points: [["1", 2, 1]] })]), "number"],
  "a point far outside": [drawing([stroke({ points: [[201, 0, 1]] })]), "number"],
  "pressure above 1": [drawing([stroke({ points: [[1, 1, 1.01]] })]), "number"],
  "landmarks of another body": [drawing([], { landmarks: [[1, 1, 1]] }), "landmarks"],
  "a landmark without confidence": [
    drawing([], { landmarks: Array(18).fill([1, 1]) }),
    "point",
  ],
};
for (const [name, [content, wanted]] of Object.entries(WRONG)) {
  test(`${name} is refused by its code`, () => {
    assert.equal(code(() => strokes.parse(JSON.stringify(content))), wanted);
  });
}

test("null landmarks are unknown ones", () => {
  assert.deepEqual(strokes.check(drawing([], { landmarks: null })), drawing());
});

for (const text of ["", "nothing", "{", '{"version": NaN}', "[".repeat(100_000)]) {
  test(`text that is no JSON is refused: ${text.slice(0, 20)}`, () => {
    assert.equal(code(() => strokes.parse(text)), "not-json");
  });
}

test("two megabytes are read, one byte more is refused before it is parsed", () => {
  const text = strokes.serialise(drawing());
  const padded = text.padEnd(strokes.MAX_BYTES, " ");
  assert.equal(code(() => strokes.parse(padded)), "accepted");
  assert.equal(code(() => strokes.parse(`${padded} `)), "too-long");
});

test("letters outside ASCII count by their bytes", () => {
  assert.equal(code(() => strokes.parse("线".repeat(700_000))), "too-long");
});

test("a document too long to write is refused", () => {
  const points = Array.from({ length: 5000 }, (_, i) => [i / 51.07, i / 77.77, 0.37]);
  const many = drawing(Array.from({ length: 40 }, () => stroke({ points })));
  assert.equal(code(() => strokes.serialise(many)), "too-long");
});

test("roles and limits are the schema's", { skip: !existsSync(SCHEMA) }, () => {
  const text = readFileSync(SCHEMA, "utf8");
  const found = { enums: [], maxItems: new Set(), maximum: new Set() };
  JSON.parse(text, function walk(key, value) {
    if (key === "enum") found.enums.push(value);
    if (key === "maxItems" || key === "maximum") found[key].add(value);
    return value;
  });
  const roles = Object.keys(strokes.ROLES);
  assert.ok(found.enums.some((one) => JSON.stringify(one) === JSON.stringify(roles)));
  for (const limit of [strokes.MAX_STROKES, strokes.MAX_POINTS, strokes.LANDMARKS]) {
    assert.ok(found.maxItems.has(limit), `maxItems ${limit}`);
  }
  for (const limit of [strokes.MAX_SIDE_PX, strokes.MAX_RADIUS_PX]) {
    assert.ok(found.maximum.has(limit), `maximum ${limit}`);
  }
});
