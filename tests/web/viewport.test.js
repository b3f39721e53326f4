import assert from "node:assert/strict";
import { test } from "node:test";

import * as viewport from "../../web/viewport.js";

const STAGE = { width: 400, height: 300 };
const PHOTO = { width: 1000, height: 2000 };
const near = (a, b) => assert.ok(Math.abs(a - b) < 1e-9, `${a} is not ${b}`);

test("a fitted photo lies whole in the middle of the stage", () => {
  const view = viewport.fit(STAGE, PHOTO);
  const first = viewport.toStage(view, -0.5, -0.5);
  const last = viewport.toStage(view, PHOTO.width - 0.5, PHOTO.height - 0.5);
  assert.ok(first.y > 0 && last.y < STAGE.height);
  near(first.x + last.x, STAGE.width);
  near(first.y + last.y, STAGE.height);
});

test("image to stage and back is where one began", () => {
  const view = { zoom: 0.37, panX: 12, panY: -80 };
  const { x, y } = viewport.toStage(view, 123.25, 456.5);
  const back = viewport.toImage(view, x, y);
  near(back.x, 123.25);
  near(back.y, 456.5);
});

test("the centre of the first pixel is (0, 0)", () => {
  assert.deepEqual(viewport.toImage({ zoom: 2, panX: 0, panY: 0 }, 1, 1), { x: 0, y: 0 });
});

test("zooming keeps what is under the pointer", () => {
  const fitted = viewport.fit(STAGE, PHOTO);
  const before = viewport.toImage(fitted, 100, 50);
  const after = viewport.toImage(viewport.zoomAt(fitted, 3, { x: 100, y: 50 }, fitted), 100, 50);
  near(after.x, before.x);
  near(after.y, before.y);
});

test("zoom ends at its limits", () => {
  const fitted = viewport.fit(STAGE, PHOTO);
  const far = viewport.zoomAt(fitted, 1e9, { x: 0, y: 0 }, fitted);
  assert.equal(far.zoom, viewport.MAX_ZOOM);
  near(viewport.zoomAt(fitted, 1e-9, { x: 0, y: 0 }, fitted).zoom, fitted.zoom / 4);
});

test("some of the photo always stays in sight", () => {
  const view = viewport.fit(STAGE, PHOTO);
  for (const [dx, dy] of [[1e6, 1e6], [-1e6, -1e6]]) {
    const moved = viewport.pan(view, dx, dy, STAGE, PHOTO);
    assert.ok(moved.panX < STAGE.width && moved.panX + view.zoom * PHOTO.width > 0);
    assert.ok(moved.panY < STAGE.height && moved.panY + view.zoom * PHOTO.height > 0);
  }
});

test("the graph's own zoom is taken out of the pointer's place", () => {
  const rect = { left: 100, top: 10, width: 200, height: 150 };
  assert.deepEqual(viewport.clientToStage(rect, STAGE, 200, 85), { x: 200, y: 150 });
  assert.deepEqual(viewport.stageToClient(rect, STAGE, 200, 150), { x: 200, y: 85 });
});
