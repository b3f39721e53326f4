// @ts-check
/** The sentence over the drawing: what went wrong, or what the user has to decide. */

import { icon } from "./icons.js";
import { sentenceOf } from "./texts.js";
import { label, make } from "./toolbar.js";

/** @typedef {import("./editor.js").Editor} Editor */
/** @typedef {import("./texts.js").Texts} Texts */

const CHOICES = ["refit", "keep", "clear-changed"];

/** Shows one notice at a time; the choice about a changed photo comes first. */
export class NoticeBar {
  /**
   * @param {Texts} texts
   * @param {Editor} editor
   * @param {(command: string) => void} run
   */
  constructor(texts, editor, run) {
    this.texts = texts;
    this.editor = editor;
    this.element = make("div", "df-notice");
    this.element.setAttribute("role", "status");
    this.element.hidden = true;
    this.sentence = make("span", "df-sentence");
    this.choices = CHOICES.map((name) => {
      const button = /** @type {HTMLButtonElement} */ (make("button", "df-choice"));
      button.type = "button";
      button.dataset.action = name;
      button.textContent = texts[`action.${name}`];
      label(button, texts[`action.${name}`]);
      button.addEventListener("click", () => run(name));
      return button;
    });
    this.close = /** @type {HTMLButtonElement} */ (make("button", "df-button"));
    this.close.type = "button";
    this.close.dataset.action = "dismiss";
    label(this.close, texts["action.dismiss"]);
    this.close.append(icon("close"));
    this.close.addEventListener("click", () => run("dismiss"));
    this.element.append(this.sentence, ...this.choices, this.close);
    this.element.dataset.notice = "";
  }

  update() {
    const { editor, element } = this;
    const { code, kind, sentence } = this.current();
    element.hidden = code === "";
    element.dataset.notice = code;
    element.dataset.kind = kind;
    if (this.sentence.textContent !== sentence) this.sentence.textContent = sentence;
    const asks = editor.photoChanged && editor.busy === "";
    for (const button of this.choices) button.hidden = !asks;
    this.close.hidden = !editor.notice || editor.busy !== "";
  }

  /** @returns {{code: string, kind: string, sentence: string}} */
  current() {
    const { editor, texts } = this;
    if (editor.busy) {
      const code = `busy.${editor.busy}`;
      return { code, kind: "info", sentence: texts[`notice.${code}`] };
    }
    const parts = [];
    if (editor.photoChanged) parts.push(texts["notice.photo-changed"]);
    if (editor.notice) parts.push(sentenceOf(texts, editor.notice));
    if (parts.length === 0) return { code: "", kind: "", sentence: "" };
    return {
      code: editor.photoChanged ? "photo-changed" : (editor.notice?.code ?? ""),
      kind: editor.notice?.kind ?? "warn",
      sentence: parts.join(" "),
    };
  }

  flash() {
    this.element.classList.remove("df-flash");
    void this.element.offsetWidth; // starts the animation again
    this.element.classList.add("df-flash");
  }
}
