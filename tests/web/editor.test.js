import assert from "node:assert/strict";
import { test } from "node:test";

import { Editor } from "../../web/editor.js";
import * as edits from "../../web/edits.js";
import { createServer, ServerError } from "../../web/server.js";
import { MAX_STROKES, serialise } from "../../web/strokes.js";
import { drawing, PHOTO, stroke } from "./documents.js";

function editor(server = {}) {
  const seen = { texts: [], changes: 0, blocked: 0 };
  const made = new Editor({
    server,
    onCommit: (text) => seen.texts.push(text),
    onChange: () => (seen.changes += 1),
    onBlocked: () => (seen.blocked += 1),
  });
  return Object.assign(made, { seen });
}

/** Texts are remembered over editors, so that tests use their own. */
let number = 0;
const fresh = () => stroke({ radius_px: 3 + (number += 1) / 100 });
const draw = (one, ...strokes) => one.commit(edits.add(one.base, strokes));

test("nothing drawn is an empty text, and the first stroke carries the photo's fingerprint", () => {
  const one = editor();
  assert.equal(one.text, "");
  one.show(PHOTO);
  assert.ok(draw(one, fresh()));
  assert.deepEqual([one.document.photo, one.document.width], ["ab12", 100]);
  assert.deepEqual(one.seen.texts, [one.text]);
});

test("undoing everything leaves the start, also a text that nobody drew here", () => {
  const one = editor();
  one.show(PHOTO);
  draw(one, fresh());
  draw(one, fresh());
  one.undo();
  one.undo();
  assert.deepEqual([one.text, one.document], ["", null]);
  one.undo();
  assert.equal(one.seen.texts.length, 4);
  one.redo();
  assert.equal(one.document.strokes.length, 1);
});

test("a cleared drawing is a document without strokes, not nothing", () => {
  const one = editor();
  one.show(PHOTO);
  draw(one, fresh());
  one.clear();
  assert.equal(one.document.strokes.length, 0);
  assert.notEqual(one.text, "");
  one.undo();
  assert.equal(one.document.strokes.length, 1);
});

test("a text that cannot be read stays until the user draws", () => {
  const one = editor();
  one.show(PHOTO);
  one.load("{ not JSON");
  assert.deepEqual([one.text, one.document, one.notice.code], ["{ not JSON", null, "not-json"]);
  draw(one, fresh());
  assert.equal(one.notice, null);
  one.undo();
  assert.equal(one.text, "{ not JSON");
});

test("values that are no text are an empty one", () => {
  const one = editor();
  for (const value of [null, undefined, 3, {}, []]) {
    one.load(value);
    assert.equal(one.text, "");
  }
});

test("loading the text that is there keeps undo", () => {
  const one = editor();
  one.show(PHOTO);
  draw(one, fresh());
  one.load(one.text);
  one.undo();
  assert.equal(one.text, "");
});

test("undo goes on where the same drawing is loaded into another element", () => {
  const one = editor();
  one.show(PHOTO);
  draw(one, fresh());
  draw(one, fresh());
  const other = editor();
  other.load(one.text);
  other.undo();
  assert.equal(other.document.strokes.length, 1);
});

test("a drawing with too many strokes is refused and the one before stays", () => {
  const one = editor();
  one.show(PHOTO);
  draw(one, ...Array(MAX_STROKES).fill(fresh()));
  const { text } = one;
  assert.equal(draw(one, fresh()), false);
  assert.deepEqual([one.text, one.notice.code], [text, "too-many-strokes"]);
});

test("a drawing of more than two megabytes is refused with its size", () => {
  const points = Array.from({ length: 5000 }, (_, i) => [i / 51.07, i / 77.77, 0.37]);
  const one = editor();
  one.show(PHOTO);
  const long = { ...fresh(), points };
  assert.equal(draw(one, ...Array(40).fill(long)), false);
  assert.equal(one.notice.code, "too-long");
  assert.ok(one.notice.values.got > 2_000_000);
  assert.equal(one.text, "");
});

const OTHERS = {
  "another fingerprint": { ...PHOTO, fingerprint: "cd34" },
  "another width": { ...PHOTO, width: 101, fingerprint: "" },
};
for (const [name, photo] of Object.entries(OTHERS)) {
  test(`a photo of ${name} asks before anything is drawn`, () => {
    const one = editor();
    one.show(PHOTO);
    draw(one, fresh());
    assert.equal(one.isBlocked, false);
    one.show(photo);
    assert.deepEqual([one.photoChanged, one.isBlocked], [true, true]);
    one.keep();
    assert.equal(one.photoChanged, false);
    assert.deepEqual([one.document.width, one.document.photo], [photo.width, photo.fingerprint]);
    one.undo();
    assert.equal(one.photoChanged, true);
  });
}

test("a photo whose fingerprint is unknown is taken for the same where it has the same size", () => {
  const one = editor();
  one.show(PHOTO);
  draw(one, fresh());
  one.show({ ...PHOTO, fingerprint: "" });
  assert.equal(one.photoChanged, false);
});

test("clearing for another photo takes its size and fingerprint", () => {
  const one = editor();
  one.show(PHOTO);
  draw(one, fresh());
  one.show({ ...PHOTO, width: 50, height: 60, fingerprint: "ee" });
  one.clear();
  const { width, height, photo, strokes } = one.document;
  assert.deepEqual([width, height, photo, strokes], [50, 60, "ee", []]);
});

test("nothing is drawn while a photo is on its way", () => {
  const one = editor();
  one.show(PHOTO);
  one.await();
  assert.equal(one.isBlocked, true);
  one.show(PHOTO);
  assert.equal(one.isBlocked, false);
});

const proposed = () =>
  drawing([
    stroke({ source: "proposed" }),
    stroke({ role: "neck", color: "#d55e00", source: "proposed" }),
  ]);
const answers = () => ({ propose: async () => ({ document: proposed(), warnings: [] }) });

test("a proposal comes beside what was drawn, and the rest leaves its roles out", async () => {
  const one = editor(answers());
  one.show(PHOTO);
  draw(one, fresh());
  await one.propose(false);
  assert.equal(one.document.strokes.length, 3);
  one.undo();
  await one.propose(true);
  assert.deepEqual(
    one.document.strokes.map((each) => [each.role, each.source]),
    [
      ["neck", "proposed"],
      ["head", "drawn"],
    ],
  );
});

test("what is doubtful about a proposal is said", async () => {
  const server = { propose: async () => ({ document: proposed(), warnings: ["Low contrast."] }) };
  const one = editor(server);
  one.show(PHOTO);
  await one.propose(false);
  assert.deepEqual(one.notice.values, { text: "Low contrast." });
});

test("the proposal of the last run is used and not asked for again", async () => {
  const one = editor({ propose: () => assert.fail("the server was asked") });
  one.show(PHOTO);
  one.ran({ proposal: proposed() });
  await one.propose(true);
  assert.equal(one.document.strokes.length, 2);
});

test("a connected proposal is shown, and the first stroke goes on top of it", () => {
  const one = editor();
  one.show(PHOTO);
  one.ran({ proposal: proposed() });
  assert.equal(one.document, null);
  assert.equal(one.shown.strokes.length, 2);
  draw(one, fresh());
  assert.equal(one.document.strokes.length, 3);
  one.clear();
  assert.equal(one.shown.strokes.length, 0);
});

test("a proposal for another photo is not shown", () => {
  const one = editor();
  one.show({ ...PHOTO, fingerprint: "cd34" });
  one.ran({ proposal: proposed() });
  assert.equal(one.shown, null);
});

test("a proposal that comes after the photo was changed is dropped", async () => {
  let answer;
  const one = editor({ propose: () => new Promise((done) => (answer = done)) });
  one.show(PHOTO);
  const asked = one.propose(false);
  assert.equal(one.isBlocked, true);
  one.show({ ...PHOTO, fingerprint: "cd34" });
  answer({ document: proposed(), warnings: [] });
  await asked;
  assert.deepEqual([one.text, one.busy], ["", ""]);
});

const FAILURES = {
  server: async () => {
    throw new ServerError("no-body", "photo must show a garment.");
  },
  version: async () => ({ document: { ...proposed(), version: 2 }, warnings: [] }),
  unexpected: async () => null,
};
for (const [code, propose] of Object.entries(FAILURES)) {
  test(`a proposal that fails is said and changes nothing: ${code}`, async () => {
    const one = editor({ propose });
    one.show(PHOTO);
    await one.propose(false);
    assert.deepEqual([one.notice.code, one.text, one.busy], [code, "", ""]);
  });
}

test("a refit takes the place of the drawing and can be undone", async () => {
  const photo = { ...PHOTO, fingerprint: "cd34" };
  const one = editor({
    refit: async (reference, document) => ({
      document: { ...document, photo: "cd34" },
      warnings: [],
    }),
  });
  one.show(PHOTO);
  draw(one, fresh());
  one.show(photo);
  await one.refit();
  assert.equal(one.photoChanged, false);
  one.undo();
  assert.equal(one.photoChanged, true);
});

test("without a photo a proposal cannot be asked for", async () => {
  const one = editor({ propose: () => assert.fail("the server was asked") });
  await one.propose(false);
  assert.equal(one.notice.code, "no-photo");
});

test("a selected stroke is deleted, and the selection ends with it", () => {
  const one = editor();
  one.show(PHOTO);
  draw(one, fresh(), fresh());
  one.select(1);
  one.delete();
  assert.deepEqual([one.document.strokes.length, one.selected], [1, null]);
  one.select(0);
  one.undo();
  one.undo();
  assert.equal(one.selected, null);
});

test("the limb tool takes a limb's role", () => {
  const one = editor();
  one.choose("limb");
  assert.equal(one.role, "arm_left");
  one.set({ role: "leg_right" });
  one.choose("limb");
  assert.equal(one.role, "leg_right");
});

test("the pen is as wide as a felt pen on the photo until the user chooses", () => {
  const one = editor();
  one.show({ ...PHOTO, width: 4000, height: 3000 });
  assert.equal(one.radius_px, 20);
  one.set({ radius_px: 7 });
  one.show(PHOTO);
  assert.equal(one.radius_px, 7);
});

test("what was drawn is what is written", () => {
  const one = editor();
  one.show(PHOTO);
  draw(one, fresh());
  assert.equal(serialise(one.document), one.text);
});

const answer = (status, body) => async () => new Response(body, { status });
const WRONG = {
  "a refusal": [answer(404, '{"code": "photo-not-found", "error": "It is gone."}'), "photo-not-found"],
  "a page that is no JSON": [answer(404, "<html>"), "unreachable"],
  "an answer that is no JSON": [answer(200, "<html>"), "unreachable"],
  "no connection": [async () => Promise.reject(new TypeError("Failed to fetch")), "unreachable"],
};
for (const [name, [fetchApi, code]] of Object.entries(WRONG)) {
  test(`the server's answer is told from ${name}`, async () => {
    await assert.rejects(createServer(fetchApi).photo(PHOTO.reference), { name: "ServerError", code });
  });
}

test("requests carry photo, options and document as the routes want them", async () => {
  const sent = [];
  const server = createServer(async (path, options) => {
    sent.push([path, options.method, JSON.parse(options.body)]);
    return new Response("{}");
  });
  const photo = PHOTO.reference;
  await server.photo(photo);
  await server.propose(photo, { all_parts: true });
  await server.refit(photo, drawing());
  assert.deepEqual(sent, [
    ["/dressform/hints/photo", "POST", { photo }],
    ["/dressform/hints/propose", "POST", { photo, options: { all_parts: true } }],
    ["/dressform/hints/refit", "POST", { photo, document: drawing() }],
  ]);
});
