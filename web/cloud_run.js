// @ts-check
/** One hosted run as the sidebar shows it. */

import { costOf, detailOf, nameOf, nodesOf, reasonOf, shareOf, stateOf, wantsCredits } from "./cloud_told.js";
import { h } from "./elements.js";
import { fill } from "./texts.js";

/** @typedef {import("./cloud_told.js").Run} Run */
/** @typedef {import("./cloud_texts.js").Texts} Texts */

const TOO_LATE = ["canceling", "downloading"]; // it is over, or soon will be
const MAY_STAY = ["not-connected", "local-files"]; // trouble that only the user can end
const PICTURES = 8; // shown; the rest are in the folder

/**
 * @param {Texts} texts
 * @param {Run} run
 * @param {{node: string, image: string} | undefined} preview
 * @param {{viewURL: (file: import("./cloud_told.js").File) => string, topUp: string}} ways
 */
export function runView(texts, run, preview, ways) {
  const name = run.label || texts.title;
  return h(
    "article",
    { class: "dfc-run", "data-key": run.id, "data-state": run.away ? "away" : run.state, "aria-label": name },
    h(
      "header",
      { class: "dfc-run-head" },
      h("span", { class: "dfc-run-name", title: name }, name),
      h("span", { class: "dfc-state", role: "status" }, stateOf(texts, run)),
    ),
    !run.ended && underWay(texts, run, name, preview),
    run.ended && ended(texts, run, ways),
    h("div", { class: "dfc-buttons" }, ...buttons(texts, run)),
  );
}

/**
 * @param {Texts} texts
 * @param {Run} run
 * @param {string} name
 * @param {{node: string, image: string} | undefined} preview
 */
function underWay(texts, run, name, preview) {
  const percent = Math.round(shareOf(run) * 100);
  const counts = { done: run.nodes_done, total: run.nodes_total };
  const running = run.state === "running";
  return h(
    "div",
    { class: "dfc-way" },
    h(
      "div",
      {
        class: "dfc-bar",
        role: "progressbar",
        "aria-label": fill(texts["run.progress"], { name }),
        "aria-valuemin": 0,
        "aria-valuemax": 100,
        "aria-valuenow": percent,
      },
      h("div", { class: "dfc-bar-fill", style: `width:${percent}%` }),
    ),
    h("p", { class: "dfc-line dfc-detail" }, detailOf(texts, run)),
    running && h("p", { class: "dfc-line dfc-faint" }, fill(texts["run.nodes"], counts)),
    preview &&
      h("img", {
        class: "dfc-preview",
        src: preview.image,
        alt: fill(texts["run.preview"], { name: nameOf(run, preview.node) }),
      }),
    running && nodeList(texts, run),
    h("p", { class: "dfc-line dfc-faint dfc-cost" }, costOf(texts, run)),
  );
}

/** @param {Texts} texts @param {Run} run */
function nodeList(texts, run) {
  return h(
    "details",
    { class: "dfc-nodes" },
    h("summary", {}, texts["run.node-list"]),
    h(
      "ol",
      {},
      ...nodesOf(run).map(({ id, name, state }) =>
        h(
          "li",
          { "data-key": id, "data-state": state },
          h("span", {}, name),
          h("span", { class: "dfc-faint" }, texts[`node.${state}`]),
        ),
      ),
    ),
  );
}

/**
 * @param {Texts} texts
 * @param {Run} run
 * @param {{viewURL: (file: import("./cloud_told.js").File) => string, topUp: string}} ways
 */
function ended(texts, run, ways) {
  const reason = reasonOf(texts, run);
  const saved = run.files.filter((one) => one.type === "output");
  const pictures = (saved.length > 0 ? saved : run.files).filter((one) => one.shown === "images");
  return h(
    "div",
    { class: "dfc-end" },
    reason && h("p", { class: "dfc-line dfc-reason" }, reason),
    wantsCredits(run.error) && ways.topUp && topUpLink(texts, ways.topUp),
    pictures.length > 0 &&
      h(
        "div",
        { class: "dfc-pictures" },
        ...pictures.slice(0, PICTURES).map((file) => {
          const text = fill(texts["run.result"], { file: file.filename });
          return h(
            "a",
            { href: ways.viewURL(file), target: "_blank", rel: "noopener", title: text, "data-key": file.filename },
            h("img", { src: ways.viewURL(file), alt: text, loading: "lazy" }),
          );
        }),
      ),
    h("p", { class: "dfc-line dfc-cost", title: run.explanation ?? "" }, costOf(texts, run)),
    saved.length > 0 && h("p", { class: "dfc-line dfc-faint" }, texts["run.kept"]),
  );
}

/** @param {Texts} texts @param {Run} run */
function buttons(texts, run) {
  const button = (/** @type {string} */ action) =>
    h("button", { type: "button", class: "dfc-small", "data-action": action, "data-key": action, "data-run": run.id }, texts[`run.${action}`]);
  const made = [];
  if (run.away) made.push(button("retry"));
  const may = !run.ended && !run.canceled && !TOO_LATE.includes(run.state);
  if (may) made.push(button("cancel"));
  if (run.ended && run.files.length > 0) made.push(button("show"));
  if (run.ended || MAY_STAY.includes(run.away)) made.push(button("forget"));
  return made;
}

/** @param {Texts} texts @param {string} address */
export function topUpLink(texts, address) {
  const told = { class: "dfc-link", href: address, target: "_blank", rel: "noopener", "data-key": "top-up" };
  return h("a", told, texts["account.top-up"]);
}
