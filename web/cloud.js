// @ts-check
/** Hosted runs in ComfyUI's editor: the sidebar tab, its setting, results on the nodes. */

import { CloudPanel } from "./cloud_panel.js";
import { createCloud } from "./cloud_server.js";
import { Cloud } from "./cloud_state.js";
import { cloudTextsFor } from "./cloud_texts.js";

/** @typedef {import("./cloud_told.js").Run} Run */

export const TAB = "dressform-cloud";
export const SETTING = "Dressform.Cloud.Panel";

/**
 * What ComfyUI registers.
 *
 * @param {any} app ComfyUI's
 * @param {unknown} locale ComfyUI's language
 */
export function cloudExtension(app, locale) {
  const texts = cloudTextsFor(locale);
  const cloud = new Cloud(createCloud((path, options) => app.api.fetchApi(path, options)), hostOf(app));
  let shown = false;
  const show = (/** @type {boolean} */ wanted) => {
    if (wanted && !shown) app.extensionManager.registerSidebarTab(tab(app, cloud, texts));
    if (!wanted && shown) app.extensionManager.unregisterSidebarTab(TAB);
    shown = wanted;
  };
  return {
    name: "dressform.cloud",
    cloud, // for tests and other packs
    settings: [
      {
        id: SETTING,
        name: texts["setting.panel"],
        tooltip: texts["setting.panel.tip"],
        category: ["Dressform", "Cloud", "Panel"],
        type: "boolean",
        defaultValue: true,
        onChange: (/** @type {boolean} */ wanted) => show(wanted),
      },
    ],
    setup() {
      show(app.extensionManager.setting.get(SETTING) ?? true);
      app.api.addEventListener("dressform.cloud", (/** @type {any} */ event) => cloud.heard(event.detail));
      app.api.addEventListener("dressform.cloud.preview", (/** @type {any} */ event) => cloud.previewed(event.detail));
      app.api.addEventListener("reconnected", () => cloud.refresh()); // nothing was heard meanwhile
    },
  };
}

/**
 * @param {any} app
 * @param {Cloud} cloud
 * @param {import("./cloud_texts.js").Texts} texts
 */
function tab(app, cloud, texts) {
  const panel = new CloudPanel(cloud, texts, (file) => {
    const asked = new URLSearchParams({
      filename: file.filename,
      subfolder: file.subfolder,
      type: file.type,
    });
    return app.api.apiURL(`/view?${asked}`);
  });
  return {
    id: TAB,
    icon: "pi pi-cloud",
    title: texts.title,
    tooltip: texts.tooltip,
    type: "custom",
    render: (/** @type {HTMLElement} */ element) => panel.start(element),
    destroy: () => panel.stop(),
  };
}

/**
 * @param {any} app
 * @returns {import("./cloud_state.js").Host}
 */
function hostOf(app) {
  return {
    workflow: async () => (await app.graphToPrompt()).output,
    label: () => {
      const open = app.extensionManager?.workflow?.activeWorkflow;
      return String(open?.filename ?? open?.path ?? "").replace(/\.json$/, "");
    },
    client: () => String(app.api.clientId ?? ""),
    queued: (workflow) => queued(app, workflow),
    show: (run, outputs) => show(app, run, outputs),
  };
}

/**
 * Lets seeds that are set to "randomize" change, as ComfyUI does once it has queued a run.
 *
 * @param {any} app
 * @param {Record<string, {class_type: string}>} workflow
 */
function queued(app, workflow) {
  const root = app.rootGraph ?? app.graph;
  const nodes = Object.entries(workflow).map(([id, one]) => ({ node: nodeOf(root, id), wanted: one.class_type }));
  if (nodes.some(({ node, wanted }) => node?.comfyClass !== wanted)) return; // another one is open
  for (const { node } of nodes) {
    for (const widget of node.widgets ?? []) widget.afterQueued?.({ isPartialExecution: false });
  }
  app.canvas?.setDirty?.(true, true);
}

/**
 * Puts results on the nodes as ComfyUI does with those of a run of its own.
 *
 * @param {any} app
 * @param {Run} run
 * @param {Map<string, object>} outputs
 */
function show(app, run, outputs) {
  const root = app.rootGraph ?? app.graph;
  const fits = [...outputs.keys()].every((id) => nodeOf(root, id)?.comfyClass === run.classes[id]);
  if (!fits) return false;
  for (const [node, output] of outputs) {
    const detail = { node, display_node: node, output, prompt_id: run.id };
    app.api.dispatchEvent(new CustomEvent("executed", { detail }));
  }
  app.canvas?.setDirty?.(true, true); // nothing else of a run of its own moves here
  return true;
}

/**
 * A node by its id in the API form: "7", or "7:5" for one in the subgraph of node 7.
 *
 * @param {any} graph
 * @param {string} id
 * @returns {any}
 */
export function nodeOf(graph, id) {
  let node = null;
  for (const part of id.split(":")) {
    const inside = node ? node.subgraph : graph;
    node = inside?.getNodeById?.(Number(part)) ?? inside?.getNodeById?.(part) ?? null;
    if (!node) return null;
  }
  return node;
}
