// @ts-check
/** Which photo a node will get, as far as the graph tells before a run. */

/** @typedef {{filename: string, subfolder: string, type: string}} PhotoReference */

const LOADERS = ["LoadImage", "LoadImageOutput"];
const SUBGRAPH_INPUT = -10; // the node id that stands for a subgraph's own inputs
const MAX_HOPS = 20; // reroutes and subgraph borders between a loader and our node

/**
 * Reads the value of a Load Image widget: "x.png", "folder/x.png" or "x.png [output]".
 *
 * @param {unknown} value
 * @returns {PhotoReference | null}
 */
export function reference(value) {
  if (typeof value !== "string" || value === "") return null;
  const marked = /^(.*) \[(input|output|temp)\]$/.exec(value);
  const path = (marked ? marked[1] : value).replaceAll("\\", "/");
  const at = path.lastIndexOf("/");
  const filename = path.slice(at + 1);
  if (filename === "") return null;
  return { filename, subfolder: at < 0 ? "" : path.slice(0, at), type: marked?.[2] ?? "input" };
}

/** @param {PhotoReference} photo */
export function keyOf({ filename, subfolder, type }) {
  return JSON.stringify([type, subfolder, filename]);
}

/** @param {PhotoReference} photo */
export function viewPath({ filename, subfolder, type }) {
  return `/view?${new URLSearchParams({ filename, subfolder, type })}`;
}

/**
 * The photo of the Load Image node that an input is connected to, directly, through reroutes or
 * over a subgraph's border.
 *
 * @param {any} node
 * @param {string} name of the input
 * @returns {PhotoReference | null}
 */
export function upstream(node, name) {
  let graph = node.graph;
  let link = linkOf(node, (input) => input.name === name);
  for (let hop = 0; hop < MAX_HOPS && graph && link; hop += 1) {
    if (Number(link.origin_id) === SUBGRAPH_INPUT) {
      const slot = link.origin_slot;
      const input = graph.inputs?.[slot];
      const host = hostOf(graph);
      if (!host) return null;
      link = linkOf(host, (one, at) => (input ? one.name === input.name : at === slot));
      graph = host.graph;
      continue;
    }
    const origin = graph.getNodeById?.(link.origin_id);
    if (!origin || origin.mode === 2 || origin.mode === 4) return null; // muted, bypassed
    if (LOADERS.includes(origin.type)) return chosen(origin);
    if (origin.type !== "Reroute") return null;
    link = linkOf(origin, (_, at) => at === 0);
  }
  return null;
}

/** @param {any} loader */
function chosen(loader) {
  const widget = loader.widgets?.find((/** @type {any} */ one) => one.name === "image");
  const isConnected = loader.inputs?.some(
    (/** @type {any} */ input) => input.name === "image" && linkIdOf(input) !== null,
  );
  return isConnected ? null : reference(widget?.value);
}

/**
 * @param {any} node
 * @param {(input: any, index: number) => boolean} isIt
 */
function linkOf(node, isIt) {
  const index = node.inputs?.findIndex(isIt) ?? -1;
  if (index < 0) return null;
  // A subgraph's own getInputLink tells of what is inside of it.
  if (node.getInputLink && !node.subgraph) return node.getInputLink(index);
  const id = linkIdOf(node.inputs[index]);
  return id === null ? null : (node.graph?.links?.get?.(id) ?? node.graph?.links?.[id] ?? null);
}

/** @param {any} input */
function linkIdOf(input) {
  return input.link ?? null;
}

/**
 * The node that a subgraph is inside of.
 *
 * @param {any} graph
 */
function hostOf(graph) {
  const root = graph.rootGraph ?? graph;
  const graphs = [root, ...(root.subgraphs?.values?.() ?? [])];
  for (const one of graphs) {
    const host = (one.nodes ?? []).find((/** @type {any} */ node) => node.subgraph === graph);
    if (host) return host;
  }
  return null;
}
