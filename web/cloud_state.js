// @ts-check
/** What the sidebar knows, and what it does about a button; no elements in it. */

import { ServerError } from "./server.js";
import { shownOf } from "./cloud_told.js";

const OTHER = "other"; // of our own making, with a sentence of the browser's

/** @typedef {import("./cloud_told.js").Run} Run */
/** @typedef {{code: string, text?: string}} Refusal */
/**
 * What the sidebar needs of ComfyUI.
 *
 * @typedef {object} Host
 * @property {() => Promise<Record<string, any>>} workflow the open one in API form
 * @property {() => string} label its name
 * @property {() => string} client the page's id at ComfyUI
 * @property {(workflow: Record<string, any>) => void} queued lets nodes get ready for the next run
 * @property {(run: Run, outputs: Map<string, object>) => boolean} show puts results on the nodes
 */

export class Cloud {
  /**
   * @param {ReturnType<typeof import("./cloud_server.js").createCloud>} server
   * @param {Host} host
   */
  constructor(server, host) {
    this.server = server;
    this.host = host;
    this.loaded = false;
    /** @type {{server: string, key_hint: string, top_up: string} | null} */
    this.account = null;
    /** @type {{available: number, held: number} | null} */
    this.balance = null;
    /** @type {Refusal | null} The hosted server is gone, or refuses the key. */
    this.trouble = null;
    /** @type {any} What a run of the open workflow would cost; null where nobody asked. */
    this.quote = null;
    /** @type {Refusal | null} */
    this.refusal = null;
    /** @type {string} A sentence's name; "" where there is none. */
    this.note = "";
    this.busy = "";
    /** @type {Run[]} The newest first. */
    this.runs = [];
    /** @type {Map<string, {node: string, image: string}>} */
    this.previews = new Map();
    /** @type {Set<() => void>} */
    this.listeners = new Set();
    /** @type {Record<string, any> | null} The workflow that was quoted. */
    this.quoted = null;
  }

  /** @param {() => void} listener */
  listen(listener) {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  changed() {
    for (const listener of this.listeners) listener();
  }

  /** @param {string} server @param {string} key */
  connect(server, key) {
    return this.act("connect", async () => this.take(await this.server.connect(server, key)));
  }

  disconnect() {
    return this.act("disconnect", async () => {
      this.take(await this.server.disconnect());
    });
  }

  refresh() {
    return this.act("refresh", async () => {
      if (!this.loaded) {
        this.take(await this.server.here()); // the hosted server may take its time
        this.changed();
      }
      this.take(await this.server.state());
    });
  }

  /** Asks what a run of the open workflow would cost. */
  ask() {
    return this.act("quote", async () => {
      this.quote = null;
      const workflow = await this.host.workflow();
      if (Object.keys(workflow).length === 0) {
        this.note = "note.nothing";
        return;
      }
      const quote = await this.server.quote(workflow);
      this.quoted = workflow;
      this.quote = { ...quote, label: this.host.label() };
      this.balance = quote.balance;
      this.trouble = null;
    });
  }

  back() {
    this.quote = this.quoted = this.refusal = null;
    this.changed();
  }

  /** Runs what was quoted: that very workflow, on that GPU, for at most that price. */
  confirm() {
    const { quote, quoted } = this;
    if (!quote || !quoted) return Promise.resolve();
    return this.act("run", async () => {
      const { run } = await this.server.run({
        workflow: quoted,
        label: quote.label,
        client: this.host.client(),
        gpu_class: quote.gpu_class,
        at_most: quote.at_most,
      });
      this.quote = this.quoted = null;
      this.heard(run);
      this.host.queued(quoted);
    });
  }

  /** @param {"cancel" | "retry" | "forget"} what @param {string} id */
  tell(what, id) {
    return this.act(what, async () => {
      const told = await this.server[what](id);
      if (told.runs) this.runs = told.runs;
    });
  }

  /** @param {Run} run */
  show(run) {
    this.note = this.host.show(run, shownOf(run)) ? "" : "note.not-open";
    this.changed();
  }

  /** @param {Run} told As ComfyUI's websocket tells it: without the page that asked. */
  heard(told) {
    const before = this.runs.find((one) => one.id === told.id);
    const run = { ...before, ...told };
    this.runs = before
      ? this.runs.map((one) => (one.id === run.id ? run : one))
      : [run, ...this.runs];
    if (run.ended) this.previews.delete(run.id);
    // Credits are set aside when the server has the job, and settled when it has ended.
    if (before && run.job && !before.job) void this.refresh();
    else if (before?.away && !run.away) void this.refresh(); // the server is back
    if (run.ended && before && !before.ended) {
      // Only in the page that asked: another one has other nodes.
      if (run.client === this.host.client()) this.host.show(run, shownOf(run));
      void this.refresh();
    }
    this.changed();
  }

  /** @param {{run: string, node: string, image: string}} preview */
  previewed({ run, node, image }) {
    if (this.runs.some((one) => one.id === run && !one.ended)) {
      this.previews.set(run, { node, image });
      this.changed();
    }
  }

  get outOfCredits() {
    const { quote, balance } = this;
    return Boolean(quote?.runnable && balance && balance.available < quote.held);
  }

  /** @param {any} told */
  take(told) {
    this.loaded = true;
    this.account = told.connected ? told : null;
    if (!this.account) this.quote = this.quoted = null;
    this.balance = told.balance ?? null;
    this.trouble = told.trouble ? { code: told.trouble.code, text: told.trouble.error } : null;
    const ended = new Map(this.runs.filter((one) => one.ended).map((one) => [one.id, one]));
    // What was heard last may have overtaken an answer; an end is for good.
    this.runs = told.runs.map((/** @type {Run} */ run) => ended.get(run.id) ?? run);
  }

  /**
   * Does one thing; what is refused is shown until the next.
   *
   * @param {string} name
   * @param {() => Promise<void>} work
   */
  async act(name, work) {
    if (name !== "refresh") {
      this.refusal = null;
      this.note = "";
    }
    this.busy = name;
    this.changed();
    try {
      await work();
    } catch (error) {
      const known = error instanceof ServerError;
      const refusal = { code: known ? error.code : OTHER, text: known ? error.sentence : String(error) };
      if (this.account && refusal.code === "unreachable") this.trouble = refusal;
      else this.refusal = refusal;
    } finally {
      if (this.busy === name) this.busy = "";
      this.changed();
    }
  }
}
