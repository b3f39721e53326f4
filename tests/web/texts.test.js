import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

import { NAMES } from "../../web/icons.js";
import { commandOf, isKept, LABELS } from "../../web/shortcuts.js";
import { ROLES } from "../../web/strokes.js";
import { fill, LANGUAGES, sentenceOf, textsFor } from "../../web/texts.js";
import { TOOLS } from "../../web/tools.js";

const WEB = new URL("../../web/", import.meta.url);
const FILES = readdirSync(WEB).filter((name) => name.endsWith(".js"));
const source = (name) => readFileSync(new URL(name, WEB), "utf8");
const { en, zh } = LANGUAGES;
const places = (sentence) => [...sentence.matchAll(/\{\w+\}/g)].map(String).sort();
const key = (name, more = {}) => ({
  key: name,
  ctrlKey: false,
  metaKey: false,
  altKey: false,
  shiftKey: false,
  ...more,
});

test("every English word has a Chinese one with the same places", () => {
  const special = Object.keys(zh).filter((name) => name.startsWith("notice.server."));
  for (const name of Object.keys(en)) assert.ok(zh[name], name);
  for (const name of Object.keys(zh)) assert.ok(en[name] || special.includes(name), name);
  for (const [name, sentence] of Object.entries(en)) {
    if (name === "notice.server") continue;
    assert.deepEqual(places(zh[name]), places(sentence), name);
    if (/[A-Za-z]{4}/.test(fill(sentence, { text: "" }))) assert.match(zh[name], /[\u4e00-\u9fff]/, name);
  }
});

test("every code that is thrown has its sentence", () => {
  const codes = FILES.flatMap((name) =>
    [...source(name).matchAll(/new DocumentError\("([\w-]+)"|code: "([\w-]+)"|inform\("([\w-]+)"/g)].map(
      ([, one, other, told]) => one ?? other ?? told,
    ),
  );
  assert.ok(codes.length > 15);
  for (const code of codes) assert.ok(en[`notice.${code}`], code);
});

test("every tool, role and button has its words and picture", () => {
  for (const tool of TOOLS) assert.ok(en[`tool.${tool}`] && NAMES.includes(tool), tool);
  for (const role of Object.keys(ROLES)) assert.ok(en[`role.${role}`], role);
  const actions = Object.keys(en).filter((name) => name.startsWith("action."));
  const worded = ["action.refit", "action.keep", "action.clear-changed", "action.dismiss"];
  for (const action of actions) {
    const hasPicture = NAMES.includes(action.replace("action.", ""));
    assert.ok(hasPicture || worded.includes(action), action);
  }
});

test("sentences are filled, and never by what only objects have", () => {
  assert.equal(fill("{a} and {b} and {toString}", { a: 1, b: "{a}" }), "1 and {a} and {toString}");
});

test("a text that cannot be read is said to stay", () => {
  const sentence = sentenceOf(en, { code: "role", values: { name: "stroke 3", got: "tail" } });
  assert.match(sentence, /cannot be read: stroke 3 has an unknown role, tail\. They stay/);
  assert.match(sentenceOf(zh, { code: "not-json" }), /JSON。在你动笔/);
});

test("too much drawing is a sentence of its own in both languages", () => {
  const values = { limit: 2_000_000, got: 2_000_001 };
  assert.match(sentenceOf(en, { code: "too-long", values }), /at most 2000000 bytes.*2000001/);
  assert.match(sentenceOf(zh, { code: "too-long", values }), /最多 2000000 字节.*2000001/);
});

test("what the server refused is said in its own words, in Chinese by its code", () => {
  const values = { code: "no-body", text: "photo must show a garment." };
  assert.equal(sentenceOf(en, { code: "server", values }), "photo must show a garment.");
  assert.match(sentenceOf(zh, { code: "server", values }), /没有找到/);
  const other = { code: "new-code", text: "Something." };
  assert.match(sentenceOf(zh, { code: "server", values: other }), /new-code.*Something\./);
});

test("ComfyUI's language decides", () => {
  assert.equal(textsFor("zh"), zh);
  assert.equal(textsFor("zh-TW"), zh);
  assert.equal(textsFor("fr"), en);
  assert.equal(textsFor(undefined), en);
});

test("the keys that a tooltip names do what the button does", () => {
  for (const [name, label] of Object.entries(LABELS)) {
    for (const shown of name === "radius" ? [] : label.split(", ")) {
      const parts = shown.split("+").filter(Boolean);
      const [last] = parts.length > 0 ? parts.slice(-1) : ["+"];
      const pressed = key(last, {
        ctrlKey: parts.includes("Ctrl"),
        shiftKey: parts.includes("Shift"),
      });
      assert.equal(commandOf(pressed), TOOLS.includes(name) ? `tool:${name}` : name, shown);
    }
  }
});

test("the help names every key of the tooltips in both languages", () => {
  for (const sentence of [en["notice.help"], zh["notice.help"]]) {
    for (const label of Object.values(LABELS)) {
      const keys = label.replace("Ctrl+Shift+Z, ", "").split(" ");
      assert.ok(keys.every((one) => sentence.includes(one)), label);
    }
  }
});

test("Cmd works as Ctrl does", () => {
  assert.equal(commandOf(key("z", { metaKey: true })), "undo");
  assert.equal(commandOf(key("Z", { metaKey: true, shiftKey: true })), "redo");
});

test("Shift makes the arrows ten times as long", () => {
  assert.equal(commandOf(key("ArrowLeft")), "nudge:-1,0");
  assert.equal(commandOf(key("ArrowDown", { shiftKey: true })), "nudge:0,10");
});

test("bare letters stay in the drawing, ComfyUI keeps its own shortcuts", () => {
  for (const name of ["p", "r", "Q", ".", "Delete", "Backspace"]) assert.ok(isKept(key(name)), name);
  for (const name of ["Tab", "F5", "Enter", "Control"]) assert.ok(!isKept(key(name)), name);
  for (const name of ["s", "Enter", "o", "c"]) {
    assert.equal(isKept(key(name, { ctrlKey: true })), false, name);
  }
  assert.ok(isKept(key("z", { ctrlKey: true })));
});

test("only one file imports ComfyUI, and nothing is fetched from elsewhere", () => {
  const importers = FILES.filter((name) => /scripts\/app\.js/.test(source(name)));
  assert.deepEqual(importers, ["dressform.js"]);
  for (const name of FILES) {
    assert.ok(source(name).startsWith("// @ts-check\n"), name);
    assert.ok(source(name).split("\n").length <= 401, name);
    assert.doesNotMatch(source(name), /localStorage|sessionStorage|indexedDB|\beval\(|import\(\s*["'`]http/);
    assert.doesNotMatch(source(name), /https?:\/\/(?!www\.w3\.org\/2000\/svg)/, name);
  }
});

test("no file does anything when it is imported, but for the one that registers", async () => {
  const seen = Object.keys(globalThis).length;
  for (const name of FILES.filter((one) => one !== "dressform.js")) {
    await import(new URL(name, WEB));
  }
  assert.equal(Object.keys(globalThis).length, seen);
});
