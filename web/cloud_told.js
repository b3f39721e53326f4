// @ts-check
/** What is said of a run, a quote and a refusal: sentences, credits, times. Pure. */

import { fill } from "./texts.js";

/** @typedef {import("./cloud_texts.js").Texts} Texts */
/** @typedef {{filename: string, subfolder: string, type: string, node: string, shown: string}} File */
/**
 * A run as the pack's routes and events tell it.
 *
 * @typedef {object} Run
 * @property {string} id
 * @property {string} job
 * @property {string} label
 * @property {string} client
 * @property {string} server
 * @property {Record<string, string>} titles
 * @property {Record<string, string>} classes
 * @property {string} state
 * @property {string} phase
 * @property {string} away
 * @property {boolean} sent
 * @property {string} node
 * @property {number} step
 * @property {number} steps
 * @property {number} nodes_done
 * @property {number} nodes_total
 * @property {string[]} done
 * @property {number | null} queue_position
 * @property {number | null} eta_s
 * @property {number | null} cost
 * @property {number} held
 * @property {number} at_most
 * @property {number} gpu_s
 * @property {string} gpu_class
 * @property {boolean} canceled
 * @property {string | null} explanation
 * @property {{code: string, text: string} | null} error
 * @property {File[]} files
 * @property {Record<string, string[]>} texts
 * @property {boolean} ended
 * @property {number} created_at
 */

// Codes of which a user is told the same.
const ALIKE = Object.entries({
  machine: [
    "comfyui_ended", "comfyui_start", "disk_full", "download", "drained", "environment", "fenced", "internal",
    "interrupted", "lost", "model_cache", "model_name", "output_lost", "protocol", "store_away", "unknown", "worker_lost",
  ],
  "bad-workflow": ["workflow_format_ui"],
  invalid_workflow: ["refused", "workflow"],
  file_input: ["file_name"],
  input_kind: ["unsupported_type"],
  missing_asset: ["blob_not_found", "not_found"],
  sending: ["hash_mismatch", "in_progress", "length_required", "limit", "too_many_streams", "too_slow", "unavailable"],
  versions: ["bad-request", "idempotency_key_reuse", "invalid", "malformed", "not-json", "stale_token"],
});

const LARGEST_CODES = ["insufficient_credits", "budget_exceeded"];

/**
 * Writes credits as people read them: two digits that count, and never "0" for what is not free.
 *
 * @param {number} amount
 */
export function credits(amount) {
  if (amount === 0) return "0";
  const size = Math.abs(amount);
  if (size < 0.001) return amount < 0 ? "-0.001" : "0.001";
  const places = size >= 100 ? 0 : size >= 1 ? 2 : 3;
  const text = amount.toFixed(places);
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

/**
 * @param {Texts} texts
 * @param {number} seconds
 */
export function duration(texts, seconds) {
  if (seconds < 1) return texts["time.short"];
  if (seconds < 100) return fill(texts["time.s"], { n: Math.round(seconds) });
  if (seconds < 6000) return fill(texts["time.min"], { n: Math.round(seconds / 60) });
  return fill(texts["time.h"], { n: Math.round(seconds / 360) / 10 });
}

/**
 * @param {Texts} texts
 * @param {{code: string, text?: string}} refusal
 */
export function refusalOf(texts, { code, text = "" }) {
  const name = ALIKE.find(([, codes]) => codes.includes(code))?.[0] ?? code;
  return fill(texts[`error.${name}`] ?? texts["error.other"], { text: text || code });
}

/** @param {{code: string} | null | undefined} refusal */
export function wantsCredits(refusal) {
  return refusal !== null && refusal !== undefined && LARGEST_CODES.includes(refusal.code);
}

/**
 * The state of a run in a few words.
 *
 * @param {Texts} texts
 * @param {Run} run
 */
export function stateOf(texts, run) {
  if (run.state === "running" && run.phase) return texts[`phase.${run.phase}`] ?? run.phase;
  return texts[`state.${run.state}`] ?? run.state;
}

/**
 * What else there is to say while a run is under way; empty where nothing is.
 *
 * @param {Texts} texts
 * @param {Run} run
 */
export function detailOf(texts, run) {
  if (run.away === "not-connected") {
    return fill(texts["run.signed-out"], { server: hostOf(run.server) });
  }
  if (run.away === "local-files") return texts["run.away-here"];
  if (run.away) return texts[run.sent ? "run.away" : "run.away-unsent"];
  if (run.state === "queued" && run.queue_position !== null) {
    const place = run.queue_position;
    if (run.eta_s === null) return fill(texts["run.place"], { place });
    return fill(texts["run.place-eta"], { place, time: duration(texts, run.eta_s) });
  }
  if (run.state === "running" && run.node) {
    const name = nameOf(run, run.node);
    if (run.steps > 1) {
      return fill(texts["run.node-step"], { name, step: run.step, steps: run.steps });
    }
    return name;
  }
  return "";
}

/**
 * What a run cost, or what is set aside for it.
 *
 * @param {Texts} texts
 * @param {Run} run
 */
export function costOf(texts, run) {
  if (run.cost === null) {
    return run.held > 0 ? fill(texts["run.cost-held"], { cost: credits(run.held) }) : "";
  }
  if (run.cost === 0) return texts["run.cost-none"];
  const time = duration(texts, run.gpu_s);
  return fill(texts["run.cost"], { cost: credits(run.cost), time, gpu: run.gpu_class });
}

/**
 * Why a run has ended otherwise than it should; empty where it has not.
 *
 * @param {Texts} texts
 * @param {Run} run
 */
export function reasonOf(texts, run) {
  if (run.error?.code === "max_cost") {
    return fill(texts["run.over"], { most: credits(run.at_most) });
  }
  return run.error ? refusalOf(texts, run.error) : "";
}

/**
 * How far a run is, from 0 to 1.
 *
 * @param {Run} run
 */
export function shareOf(run) {
  if (run.state === "succeeded") return 1;
  const part = run.steps > 0 ? Math.min(1, run.step / run.steps) : 0;
  const whole = Math.max(1, run.nodes_total);
  return Math.min(1, (run.nodes_done + (run.node ? part : 0)) / whole);
}

/**
 * The nodes of a run with what became of them, as the workflow lists them.
 *
 * @param {Run} run
 * @returns {{id: string, name: string, state: "done" | "now" | "waits"}[]}
 */
export function nodesOf(run) {
  return Object.keys(run.classes).map((id) => ({
    id,
    name: nameOf(run, id),
    state: run.done.includes(id) ? "done" : run.node === id ? "now" : "waits",
  }));
}

/**
 * @param {Run} run
 * @param {string} node
 */
export function nameOf(run, node) {
  return run.titles[node] ?? run.classes[node] ?? node;
}

/**
 * What the output nodes of a run show, as ComfyUI tells it of a run of its own.
 *
 * @param {Run} run
 * @returns {Map<string, Record<string, any>>} by the node's id
 */
export function shownOf(run) {
  const shown = new Map();
  const of = (/** @type {string} */ node) => {
    if (!shown.has(node)) shown.set(node, {});
    return shown.get(node);
  };
  for (const { node, shown: key, filename, subfolder, type } of run.files) {
    if (!node || !key) continue;
    // Videos are shown by the node's picture, as its own run would.
    const name = key === "video" ? "images" : key;
    (of(node)[name] ??= []).push({ filename, subfolder, type });
    if (key === "video") of(node).animated = [true];
  }
  for (const [node, said] of Object.entries(run.texts)) of(node).text = said;
  return shown;
}

/** @param {string} server */
export function hostOf(server) {
  return server.replace(/^[a-z]+:[/]{2}/, "");
}
