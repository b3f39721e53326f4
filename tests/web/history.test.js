import assert from "node:assert/strict";
import { test } from "node:test";

import * as history from "../../web/history.js";

test("undo goes back step by step and redo forward again", () => {
  let now = history.start("a");
  for (const state of ["b", "c"]) now = history.commit(now, state);
  now = history.undo(now);
  assert.equal(now.present, "b");
  now = history.undo(now);
  assert.equal(now.present, "a");
  assert.equal(history.canUndo(now), false);
  now = history.redo(history.redo(now));
  assert.equal(now.present, "c");
  assert.equal(history.canRedo(now), false);
});

test("undo at the start and redo at the end change nothing", () => {
  const now = history.start("a");
  assert.equal(history.undo(now), now);
  assert.equal(history.redo(now), now);
});

test("a new step ends what could be redone", () => {
  const now = history.commit(history.undo(history.commit(history.start("a"), "b")), "c");
  assert.equal(history.canRedo(now), false);
  assert.equal(history.undo(now).present, "a");
});

test("the oldest steps are forgotten", () => {
  let now = history.start(0);
  for (let i = 1; i <= history.MAX_STEPS + 5; i += 1) now = history.commit(now, i);
  assert.equal(now.past.length, history.MAX_STEPS);
  assert.equal(now.past[0], 5);
});

test("no history is changed in place", () => {
  const first = Object.freeze({ ...history.start("a"), past: Object.freeze([]) });
  history.commit(first, "b");
  assert.deepEqual(first, { past: [], present: "a", future: [] });
});
