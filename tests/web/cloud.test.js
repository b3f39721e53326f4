import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

import { cloudExtension, nodeOf } from "../../web/cloud.js";
import { Cloud } from "../../web/cloud_state.js";
import { CLOUD_LANGUAGES, cloudTextsFor } from "../../web/cloud_texts.js";
import { costOf, credits, detailOf, duration, nodesOf, reasonOf, refusalOf, shareOf, shownOf, stateOf } from "../../web/cloud_told.js";
import { ServerError } from "../../web/server.js";
import { fill } from "../../web/texts.js";

const { en, zh } = CLOUD_LANGUAGES;
const WEB = new URL("../../web/", import.meta.url);
const SOURCES = readdirSync(WEB).filter((name) => name.startsWith("cloud")).map((name) => readFileSync(new URL(name, WEB), "utf8"));
const places = (sentence) => [...sentence.matchAll(/\{\w+\}/g)].map(String).sort();
const RUN = Object.freeze({
  id: "r", job: "", label: "w", client: "me", server: "x", titles: { 1: "Load" }, classes: { 1: "LoadImage", 2: "SaveImage" },
  state: "running", phase: "executing", away: "", sent: true, node: "2", step: 1, steps: 4, nodes_done: 1, nodes_total: 2,
  done: ["1"], queue_position: null, eta_s: null, cost: null, held: 2, at_most: 2, gpu_s: 0, gpu_class: "h100",
  canceled: false, explanation: null, error: null, files: [], texts: {}, ended: false, created_at: 0,
});

test("every word is there in both languages, with the same places", () => {
  assert.deepEqual(Object.keys(zh), Object.keys(en));
  for (const [name, sentence] of Object.entries(en)) {
    assert.deepEqual(places(zh[name]), places(sentence), name);
    if (/[A-Za-z]{4}/.test(fill(sentence, { text: "" }))) assert.match(zh[name], /[\u4e00-\u9fff]/, name);
  }
});

test("every word that the code names is there, and no other", () => {
  const code = SOURCES.filter((one) => !one.includes("CLOUD_LANGUAGES = ")).join("\n");
  for (const [, name] of code.matchAll(/texts(?:\.|\[")([a-z]+(?:[.-][a-z_-]+)*)"?\]/g)) {
    assert.ok(en[name], name);
  }
  const families = ["error.", "state.", "phase.", "node.", "missing.", "run.", "quote.", "time.", "account.", "connect.", "away.", "note."];
  for (const name of Object.keys(en)) {
    assert.ok(code.includes(name) || families.some((one) => name.startsWith(one)), name);
  }
});

// Of calls that the sidebar does not make.
const OTHERS = ["exists", "in_use", "invalid_cursor", "invalid_metadata_filter", "metadata_invalid", "unknown_worker"];

test("every end of a run that server, worker and pack tell has a text", () => {
  const codes = new Set(["drained", "lost", "time_limit", "unknown", "worker_lost", "expired"]);
  for (const folder of ["billing_server/runs", "billing_server/assets", "worker", "nodes"]) {
    const place = new URL(`../../${folder}/`, import.meta.url);
    for (const name of readdirSync(place).filter((one) => /^(?!hint_|photo_).*[.]py$/.test(one))) {
      const code = readFileSync(new URL(name, place), "utf8");
      for (const [, found] of code.matchAll(/(?:RunError|WorkflowError|WorkerError)[(]\s*"([a-z_]+)"/g)) codes.add(found);
      for (const [, found] of code.matchAll(/(?:Refused[(]\s*\d+|_failed[(]run),\s*"([a-z-]+)"/g)) codes.add(found);
    }
  }
  assert.ok(codes.size > 40, `${codes.size}`);
  for (const code of codes) {
    if (!OTHERS.includes(code)) assert.notEqual(refusalOf(zh, { code, text: "?" }), fill(zh["error.other"], { text: "?" }), code);
  }
});

test("ComfyUI's language decides", () => {
  assert.equal(cloudTextsFor("zh-TW"), zh);
  assert.equal(cloudTextsFor(undefined), en);
});

test("credits never look free when they are not", () => {
  const told = { 0: "0", 0.0000001: "0.001", 0.0234: "0.023", 0.5: "0.5", 1.005: "1", 1.239: "1.24", 12.5: "12.5", 250: "250", 1234.56: "1235" };
  for (const [amount, text] of Object.entries(told)) assert.equal(credits(Number(amount)), text);
});

test("times are as long as they are worth", () => {
  assert.deepEqual([0.2, 9.6, 99, 100, 5999, 7200].map((one) => duration(en, one)), ["under a second", "10 s", "99 s", "2 min", "100 min", "2 h"]);
});

test("a run tells its step, its place, or why it waits", () => {
  assert.equal(stateOf(en, RUN), "Running");
  assert.equal(stateOf(en, { ...RUN, phase: "loading" }), "Loading models (free)");
  assert.equal(detailOf(en, RUN), "SaveImage, step 1 of 4");
  assert.equal(detailOf(en, { ...RUN, node: "1", steps: 1 }), "Load");
  assert.equal(detailOf(en, { ...RUN, state: "queued", queue_position: 3, eta_s: 40 }), "Place 3 in the queue, about 40 s until done");
  assert.equal(detailOf(en, { ...RUN, state: "queued", queue_position: 3 }), "Place 3 in the queue");
  assert.match(detailOf(en, { ...RUN, away: "unreachable" }), /goes on there/);
  assert.match(detailOf(en, { ...RUN, away: "unreachable", sent: false }), /nothing has been sent/);
  assert.match(detailOf(en, { ...RUN, away: "not-connected" }), /Connect to x/);
  assert.match(detailOf(en, { ...RUN, away: "local-files" }), /disk full/);
});

test("progress counts nodes alike, the current one by its steps", () => {
  assert.equal(shareOf(RUN), 0.625);
  assert.equal(shareOf({ ...RUN, nodes_done: 9 }), 1);
  assert.equal(shareOf({ ...RUN, nodes_total: 0, nodes_done: 0, node: "" }), 0);
  assert.deepEqual(nodesOf(RUN).map(({ state }) => state), ["done", "now"]);
});

test("what a run cost is told with its reason", () => {
  assert.equal(costOf(en, RUN), "2 credits are set aside");
  assert.equal(costOf(en, { ...RUN, cost: 0.42, gpu_s: 12 }), "0.42 credits: 12 s on h100");
  assert.equal(costOf(en, { ...RUN, cost: 0 }), "Cost nothing");
  assert.equal(reasonOf(en, { ...RUN, state: "failed", error: { code: "max_cost", text: "?" } }), "It would have cost more than 2 credits.");
  assert.equal(reasonOf(en, { ...RUN, error: { code: "new_code", text: "Said so." } }), "Said so.");
  assert.equal(refusalOf(en, { code: "new_code" }), "new_code");
});

test("results are told as ComfyUI tells those of its own runs", () => {
  const file = (node, shown, filename) => ({ node, shown, filename, subfolder: "hosted", type: "output" });
  const shown = shownOf({ ...RUN, files: [file("2", "images", "a.png"), file("2", "images", "b.png"), file("3", "video", "c.mp4"), file("4", "", "d.txt")], texts: { 5: ["said"] } });
  assert.deepEqual([...shown.keys()].sort(), ["2", "3", "5"]);
  assert.equal(shown.get("2").images.length, 2);
  assert.deepEqual(shown.get("3").animated, [true]);
  assert.deepEqual(shown.get("5"), { text: ["said"] });
});

test("a node is found in subgraphs too", () => {
  const graphOf = (nodes) => ({ getNodeById: (id) => nodes[id] ?? null });
  const inner = { comfyClass: "SaveImage" };
  const graph = graphOf({ 7: { subgraph: graphOf({ 5: inner }) } });
  assert.equal(nodeOf(graph, "7:5"), inner);
  assert.equal(nodeOf(graph, "7:6"), null);
  assert.equal(nodeOf(graph, "8:5"), null);
  assert.equal(nodeOf(null, "1"), null);
});

function cloudWith(server, host = {}) {
  const usual = { workflow: async () => ({ 1: {} }), label: () => "w", client: () => "me", show: () => true, queued: () => {} };
  const none = async () => ({ connected: false, runs: [] });
  return new Cloud({ state: none, here: none, ...server }, { ...usual, ...host });
}

test("what is confirmed is what was quoted, at its price", async () => {
  const sent = [];
  let asked = 0;
  const cloud = cloudWith(
    {
      quote: async () => ({ runnable: true, held: 2, at_most: 3, cost: 1, gpu_class: "h100", balance: { available: 9, held: 0 } }),
      run: async (order) => (sent.push(order), { run: RUN }),
    },
    { workflow: async () => ({ 1: { asked: (asked += 1) } }) },
  );
  await cloud.ask();
  await cloud.confirm();
  await cloud.confirm(); // a second press
  assert.equal(sent.length, 1);
  assert.deepEqual(sent[0], { workflow: { 1: { asked: 1 } }, label: "w", client: "me", gpu_class: "h100", at_most: 3 });
  assert.equal(cloud.quote, null);
});

test("an empty workflow is not asked about", async () => {
  const cloud = cloudWith({ quote: () => assert.fail() }, { workflow: async () => ({}) });
  await cloud.ask();
  assert.equal(cloud.note, "note.nothing");
});

test("results are put on the nodes once, in the page that asked", () => {
  const shown = [];
  const cloud = cloudWith({}, { show: (run) => shown.push(run.id) });
  for (const client of ["me", "other"]) {
    const run = { ...RUN, id: client, client };
    for (const one of [run, { ...run, ended: true, state: "succeeded" }, { ...run, ended: true, state: "succeeded" }]) cloud.heard(one);
  }
  assert.deepEqual(shown, ["me"]);
});

test("a server that is gone is told apart from a refusal", async () => {
  const gone = { quote: async () => { throw new ServerError("unreachable", "gone"); } };
  const cloud = cloudWith(gone);
  await cloud.ask();
  assert.equal(cloud.refusal.code, "unreachable"); // nothing is connected yet
  cloud.account = { server: "x", key_hint: "abcd", top_up: "x/credits" };
  await cloud.ask();
  assert.deepEqual([cloud.trouble.code, cloud.refusal], ["unreachable", null]);
  assert.equal(cloud.busy, "");
});

test("previews of runs that have ended are let go", () => {
  const cloud = cloudWith({});
  cloud.previewed({ run: "r", node: "1", image: "data:" });
  assert.equal(cloud.previews.size, 0);
  cloud.heard({ ...RUN, client: "other" });
  cloud.previewed({ run: "r", node: "1", image: "data:" });
  assert.equal(cloud.previews.size, 1);
  cloud.heard({ ...RUN, client: "other", ended: true });
  assert.equal(cloud.previews.size, 0);
});

test("a page that was cut off asks what it missed", async () => {
  const asked = [], heard = {};
  const app = {
    api: {
      fetchApi: async (path) => (asked.push(path), { ok: true, json: async () => ({ connected: false, runs: [] }) }),
      addEventListener: (name, listener) => { heard[name] = listener; },
    },
    extensionManager: { setting: { get: () => false } },
  };
  cloudExtension(app, "en").setup();
  assert.deepEqual(asked, []);
  await heard.reconnected();
  assert.ok(asked.includes("/dressform/cloud/state"));
});

test("a server that is back is asked what it has", () => {
  let asked = 0;
  const cloud = cloudWith({ state: async () => (asked += 1, { connected: false, runs: [] }) });
  cloud.loaded = true;
  cloud.runs = [{ ...RUN, away: "unreachable" }];
  cloud.heard({ ...RUN, away: "unreachable", step: 2 });
  assert.equal(asked, 0);
  cloud.heard(RUN);
  assert.equal(asked, 1);
});

test("what ComfyUI knows is shown before the hosted server has answered", async () => {
  const answers = [];
  const account = { connected: true, server: "x", key_hint: "abcd", top_up: "x" };
  const cloud = cloudWith({
    here: async () => ({ ...account, balance: null, runs: [RUN] }),
    state: () => new Promise((resolve) => answers.push(resolve)),
  });
  const seen = [];
  cloud.listen(() => seen.push(cloud.loaded && cloud.account !== null && cloud.runs.length));
  const refreshed = cloud.refresh();
  while (answers.length === 0) await Promise.resolve();
  assert.equal(seen.at(-1), 1);
  cloud.heard({ ...RUN, ended: true, state: "succeeded", client: "other" });
  answers[0]({ ...account, balance: { available: 2, held: 0 }, runs: [RUN] }); // from before the end
  await refreshed;
  assert.deepEqual([cloud.balance.available, cloud.runs[0].state], [2, "succeeded"]);
});

test("a run stays the page's own though the websocket does not say whose it is", () => {
  const shown = [];
  const cloud = cloudWith({}, { show: (run) => shown.push(run.id) });
  const { client, ...told } = RUN;
  cloud.heard({ ...told, id: "stranger" });
  cloud.heard({ ...RUN, client });
  for (const id of ["r", "stranger"]) cloud.heard({ ...told, id, ended: true, state: "succeeded" });
  assert.deepEqual(shown, ["r"]);
});

test("widgets are told that their run is queued, if it is theirs", async () => {
  const told = [];
  const nodes = { 1: { comfyClass: "KSampler", widgets: [{ afterQueued: () => told.push("seed") }, {}] }, 2: { comfyClass: "SaveImage" } };
  const app = {
    api: { fetchApi: async () => ({ ok: true, json: async () => ({ run: RUN }) }), clientId: "me" },
    graph: { getNodeById: (id) => nodes[id] ?? null },
  };
  const { cloud } = cloudExtension(app, "en");
  cloud.quote = { gpu_class: "h100", at_most: 1, label: "w" };
  cloud.quoted = { 1: { class_type: "KSampler" }, 2: { class_type: "SaveImage" } };
  await cloud.confirm();
  assert.deepEqual(told, ["seed"]);
  cloud.quote = { gpu_class: "h100", at_most: 1, label: "w" };
  cloud.quoted = { 1: { class_type: "KSampler" }, 3: { class_type: "SaveImage" } };
  await cloud.confirm();
  assert.deepEqual(told, ["seed"]); // another workflow is open
});
