// @ts-check
/** The pack's routes for hosted runs; ComfyUI itself calls the hosted server. */

import { ServerError } from "./server.js";

/** @typedef {import("./server.js").Fetch} Fetch */

/** @param {Fetch} fetchApi */
export function createCloud(fetchApi) {
  /** @param {string} route @param {object} [body] */
  const post = async (route, body = {}) => {
    let answer;
    try {
      answer = await fetchApi(`/dressform/cloud/${route}`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body),
      });
    } catch (error) {
      throw new ServerError("comfy", String(error));
    }
    const content = await answer.json().catch(() => null);
    if (!answer.ok || content === null) {
      throw new ServerError(content?.code ?? "comfy", content?.error ?? `${answer.status}`);
    }
    return content;
  };
  return {
    /** What ComfyUI itself knows. */
    here: () => post("state", { local: true }),
    state: () => post("state"),
    /** @param {string} server @param {string} key */
    connect: (server, key) => post("connect", { server, key }),
    disconnect: () => post("disconnect"),
    /** @param {object} workflow API form */
    quote: (workflow) => post("quote", { workflow }),
    /** @param {object} order workflow, label, client, gpu_class, at_most */
    run: (order) => post("run", order),
    /** @param {string} run */
    cancel: (run) => post("cancel", { run }),
    /** @param {string} run */
    retry: (run) => post("retry", { run }),
    /** @param {string} run */
    forget: (run) => post("forget", { run }),
  };
}
