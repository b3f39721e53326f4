import assert from "node:assert/strict";
import { test } from "node:test";

import { keyOf, reference, upstream, viewPath } from "../../web/photo.js";

const VALUES = {
  "x.png": ["x.png", "", "input"],
  "sub/x.png": ["x.png", "sub", "input"],
  "a\\b\\x.png": ["x.png", "a/b", "input"],
  "x.png [output]": ["x.png", "", "output"],
  "a/b/x y.png [temp]": ["x y.png", "a/b", "temp"],
  "x [1].png": ["x [1].png", "", "input"],
};
for (const [value, [filename, subfolder, type]] of Object.entries(VALUES)) {
  test(`the value ${value} names its file`, () => {
    assert.deepEqual(reference(value), { filename, subfolder, type });
  });
}

test("no file is named by nothing", () => {
  for (const value of ["", "folder/", null, undefined, 3]) assert.equal(reference(value), null);
});

test("a view's address escapes the name", () => {
  const path = viewPath({ filename: "a&b #1.png", subfolder: "s/t", type: "input" });
  assert.equal(path, "/view?filename=a%26b+%231.png&subfolder=s%2Ft&type=input");
});

test("files of the same name in other folders are other photos", () => {
  const [one, other] = ["a/x.png", "b/x.png"].map(reference);
  assert.notEqual(keyOf(one), keyOf(other));
});

/** A graph as LiteGraph keeps it: nodes, and links by number. */
function graph(nodes, links, more = {}) {
  const made = {
    nodes,
    getNodeById: (id) => nodes.find((node) => node.id === id) ?? null,
    links: new Map(links.map(([id, origin_id, origin_slot]) => [id, { origin_id, origin_slot }])),
    ...more,
  };
  for (const node of nodes) node.graph = made;
  return made;
}

const loader = (id, value, more = {}) => ({
  id,
  type: "LoadImage",
  mode: 0,
  widgets: [{ name: "image", value }],
  inputs: [],
  ...more,
});
const draw = (id, link) => ({ id, type: "DressformDrawHints", inputs: [{ name: "image", link }] });

test("the photo of a connected Load Image is found", () => {
  const node = draw(2, 7);
  graph([loader(1, "sub/x.png"), node], [[7, 1, 0]]);
  assert.deepEqual(upstream(node, "image"), reference("sub/x.png"));
});

test("reroutes are followed", () => {
  const node = draw(3, 8);
  const reroute = { id: 2, type: "Reroute", mode: 0, inputs: [{ name: "", link: 7 }] };
  graph([loader(1, "x.png"), reroute, node], [[7, 1, 0], [8, 2, 0]]);
  assert.equal(upstream(node, "image").filename, "x.png");
});

test("a subgraph's border is followed outward", () => {
  const node = draw(5, 1);
  const inner = graph([node], [[1, -10, 0]], { inputs: [{ name: "photo" }] });
  const host = { id: 9, type: "uuid", subgraph: inner, inputs: [{ name: "photo", link: 4 }] };
  const root = graph([loader(1, "x.png"), host], [[4, 1, 0]]);
  inner.rootGraph = root;
  assert.equal(upstream(node, "image").filename, "x.png");
});

const UNKNOWN = {
  "without a link": [[loader(1, "x.png"), draw(2, null)], []],
  "behind another node": [[{ id: 1, type: "ImageScale", inputs: [] }, draw(2, 7)], [[7, 1, 0]]],
  "behind a bypassed loader": [[loader(1, "x.png", { mode: 4 }), draw(2, 7)], [[7, 1, 0]]],
  "behind a loader whose file is an input": [
    [loader(1, "x.png", { inputs: [{ name: "image", link: 3 }] }), draw(2, 7)],
    [[7, 1, 0]],
  ],
  "at the end of a link into nowhere": [[draw(2, 7)], []],
};
for (const [name, [nodes, links]] of Object.entries(UNKNOWN)) {
  test(`no photo is known before a run ${name}`, () => {
    graph(nodes, links);
    assert.equal(upstream(nodes.at(-1), "image"), null);
  });
}

test("a ring of reroutes ends", () => {
  const node = draw(2, 7);
  const reroute = { id: 1, type: "Reroute", mode: 0, inputs: [{ name: "", link: 7 }] };
  graph([reroute, node], [[7, 1, 0]]);
  assert.equal(upstream(node, "image"), null);
});
