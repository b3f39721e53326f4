// @ts-check
/** The sidebar for hosted runs. */

import { runView, topUpLink } from "./cloud_run.js";
import { addCloudStyle } from "./cloud_style.js";
import { credits, duration, hostOf, refusalOf, wantsCredits } from "./cloud_told.js";
import { become, h } from "./elements.js";
import { fill } from "./texts.js";

/** @typedef {import("./cloud_state.js").Cloud} Cloud */
/** @typedef {import("./cloud_texts.js").Texts} Texts */

const CONTROLS = "a[href], button, input, summary";
const LACKS = ["nodes", "models", "files", "local_only"];

/** Shows what a `Cloud` knows in one element, and hands it what is pressed. */
export class CloudPanel {
  /**
   * @param {Cloud} cloud
   * @param {Texts} texts
   * @param {(file: import("./cloud_told.js").File) => string} viewURL
   */
  constructor(cloud, texts, viewURL) {
    this.cloud = cloud;
    this.texts = texts;
    this.viewURL = viewURL;
    this.element = h("section", { class: "dfc-root", "aria-label": texts.title });
    this.element.addEventListener("click", (event) => this.clicked(event));
    this.element.addEventListener("submit", (event) => this.submitted(event));
    this.element.addEventListener("keydown", (event) => {
      // ComfyUI's own keys (R, Delete, Ctrl+Enter) are for the graph.
      event.stopPropagation();
      // Enter that is held on one button must not press the next, which costs credits.
      if (event.repeat && event.key === "Enter") event.preventDefault();
    });
    this.stop = () => {};
  }

  /** @param {HTMLElement} parent */
  start(parent) {
    addCloudStyle();
    parent.append(this.element);
    this.stop();
    const stopListening = this.cloud.listen(() => this.update());
    this.stop = () => stopListening();
    this.update();
    void this.cloud.refresh();
  }

  update() {
    const wanted = h("section", {}, ...this.parts());
    const focused = this.element.contains(document.activeElement) ? document.activeElement : null;
    const sections = [...this.element.children];
    const around = sections.find((one) => one.contains(focused));
    become(this.element, wanted);
    this.element.setAttribute("aria-busy", String(this.cloud.busy !== ""));
    if (focused && !focused.isConnected) this.refocus(sections, around);
  }

  /**
   * Keeps the focus here when what had it is gone: on the page's body, keys act on the graph.
   *
   * @param {Element[]} before sections that there were
   * @param {Element | undefined} around the one that had it
   */
  refocus(before, around) {
    const made = [...this.element.children].filter((one) => !before.includes(one));
    const near = [...made, around, this.element].filter((one) => one?.isConnected);
    const found = near.map((one) => one?.querySelector(CONTROLS)).find((one) => one);
    /** @type {HTMLElement | undefined} */ (found)?.focus({ preventScroll: true });
  }

  /** @param {Event} event */
  clicked(event) {
    const target = event.target instanceof Element ? event.target.closest("[data-action]") : null;
    if (!(target instanceof HTMLElement) || target.hasAttribute("aria-disabled")) return;
    const { action = "", run = "" } = target.dataset;
    const { cloud } = this;
    const acts = {
      refresh: () => cloud.refresh(),
      disconnect: () => cloud.disconnect(),
      ask: () => cloud.ask(),
      back: () => cloud.back(),
      confirm: () => cloud.confirm(),
      cancel: () => cloud.tell("cancel", run),
      retry: () => cloud.tell("retry", run),
      forget: () => cloud.tell("forget", run),
      show: () => cloud.show(/** @type {any} */ (cloud.runs.find((one) => one.id === run))),
    };
    void acts[/** @type {keyof typeof acts} */ (action)]?.();
  }

  /** @param {Event} event */
  async submitted(event) {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.target);
    const told = new FormData(form);
    await this.cloud.connect(String(told.get("server") ?? ""), String(told.get("key") ?? ""));
    if (this.cloud.account) form.reset();
  }

  parts() {
    const { cloud, texts } = this;
    if (!cloud.loaded) return [this.refusal()];
    return [
      cloud.account ? this.account() : this.connecting(),
      cloud.trouble && this.away(),
      this.refusal(),
      cloud.account && !cloud.trouble && this.asking(),
      (cloud.account || cloud.runs.length > 0) &&
        h(
          "section",
          { class: "dfc-runs", "data-key": "runs" },
          h("h3", { class: "dfc-heading" }, texts["runs.title"]),
          cloud.runs.length === 0 && h("p", { class: "dfc-line dfc-faint" }, texts["runs.none"]),
          ...cloud.runs.map((run) =>
            runView(texts, run, cloud.previews.get(run.id), {
              viewURL: this.viewURL,
              topUp: cloud.account?.top_up ?? "",
            }),
          ),
        ),
    ];
  }

  connecting() {
    const { texts, cloud } = this;
    const busy = cloud.busy === "connect";
    const field = (/** @type {string} */ name, /** @type {object} */ more) => [
      h("label", { for: `dfc-${name}`, class: "dfc-label", "data-key": `label-${name}` }, texts[`connect.${name}`]),
      h("input", { id: `dfc-${name}`, name, class: "dfc-field", "data-key": name, required: true, spellcheck: "false", ...more }),
    ];
    return h(
      "form",
      { class: "dfc-connect", "data-key": "connect", autocomplete: "off" },
      h("p", { class: "dfc-line" }, texts["connect.about"]),
      ...field("server", { type: "text", inputmode: "url", placeholder: "cloud.example.com", maxlength: 300 }),
      ...field("key", { type: "password", autocomplete: "off", "aria-describedby": "dfc-key-about", maxlength: 200 }),
      h("p", { id: "dfc-key-about", class: "dfc-line dfc-faint" }, texts["connect.key-about"]),
      h("button", { type: "submit", class: "dfc-main", "aria-disabled": busy && "true" }, texts[busy ? "connect.busy" : "connect.button"]),
    );
  }

  account() {
    const { texts, cloud } = this;
    const { server, key_hint: hint, top_up: topUp } = /** @type {any} */ (cloud.account);
    const { balance } = cloud;
    return h(
      "section",
      { class: "dfc-account", "data-key": "account" },
      h(
        "div",
        { class: "dfc-row" },
        h(
          "strong",
          { class: "dfc-balance" },
          balance ? fill(texts["account.balance"], { credits: credits(balance.available) }) : texts["account.unknown"],
        ),
        topUpLink(texts, topUp),
      ),
      balance !== null && balance.held > 0 && h("p", { class: "dfc-line dfc-faint", "data-key": "held" }, fill(texts["account.held"], { credits: credits(balance.held) })),
      h("p", { class: "dfc-line dfc-faint", "data-key": "server" }, `${hostOf(server)}, ${fill(texts["account.key"], { hint })}`),
      h("div", { class: "dfc-buttons" }, this.small("refresh", "account.refresh"), this.small("disconnect", "account.disconnect")),
    );
  }

  away() {
    const { texts, cloud } = this;
    const refusal = /** @type {import("./cloud_state.js").Refusal} */ (cloud.trouble);
    const gone = refusal.code === "unreachable";
    const server = hostOf(cloud.account?.server ?? "");
    return h(
      "div",
      { class: "dfc-box", "data-kind": "warn", "data-key": "away", role: "alert" },
      gone && h("strong", {}, texts["away.title"]),
      h("p", { class: "dfc-line" }, gone ? fill(texts["away.about"], { server }) : refusalOf(texts, refusal)),
      h("div", { class: "dfc-buttons" }, this.small("refresh", "away.retry")),
    );
  }

  refusal() {
    const { texts, cloud } = this;
    const { refusal, note } = cloud;
    if (!refusal && !note) return null;
    const topUp = cloud.account?.top_up;
    return h(
      "div",
      { class: "dfc-box", "data-kind": refusal ? "error" : "info", "data-key": "refusal", role: "alert" },
      h("p", { class: "dfc-line" }, refusal ? refusalOf(texts, refusal) : texts[note]),
      wantsCredits(refusal) && topUp && topUpLink(texts, topUp),
    );
  }

  asking() {
    const { texts, cloud } = this;
    if (cloud.quote) return this.quote(cloud.quote);
    const busy = cloud.busy === "quote";
    return h(
      "section",
      { class: "dfc-ask", "data-key": "ask" },
      h("button", { type: "button", class: "dfc-main", "data-action": "ask", "aria-disabled": busy && "true" }, texts[busy ? "run.busy" : "run.button"]),
      h("p", { class: "dfc-line dfc-faint" }, texts["run.about"]),
    );
  }

  /** @param {any} quote */
  quote(quote) {
    const { texts } = this;
    const name = quote.label || texts.title;
    return h(
      "section",
      { class: "dfc-box dfc-quote", "data-kind": quote.runnable ? "info" : "warn", "data-key": "quote", "aria-label": name, role: "status" },
      h("strong", { class: "dfc-run-name" }, name),
      ...(quote.runnable ? this.price(quote) : this.lacks(quote.missing)),
    );
  }

  /** @param {any} quote */
  price(quote) {
    const { texts, cloud } = this;
    const line = (/** @type {string} */ name, values = {}, kind = "dfc-line") =>
      h("p", { class: kind, "data-key": name }, fill(texts[name], values));
    const cost = credits(quote.cost);
    const time = duration(texts, quote.gpu_s);
    const short = cloud.outOfCredits;
    const busy = cloud.busy === "run";
    return [
      line("quote.cost", { cost }, "dfc-line dfc-price"),
      quote.guessed && line("quote.guessed"),
      line("quote.most", { most: credits(quote.at_most) }),
      line("quote.gpu", { gpu: quote.gpu_class, time }),
      this.queue(quote),
      line(quote.uploads > 0 ? "quote.sends" : "quote.sends-none", { files: quote.uploads }, "dfc-line dfc-faint"),
      line("quote.free", {}, "dfc-line dfc-faint"),
      short &&
        h(
          "p",
          { class: "dfc-line dfc-reason", "data-key": "short" },
          `${fill(texts["quote.credits"], { have: credits(cloud.balance?.available ?? 0), need: credits(quote.held) })} `,
          topUpLink(texts, cloud.account?.top_up ?? ""),
        ),
      h(
        "div",
        { class: "dfc-buttons", "data-key": "confirm" },
        h("button", { type: "button", class: "dfc-main", "data-action": "confirm", "data-key": "confirm", "aria-disabled": (short || busy) && "true" }, fill(texts["quote.confirm"], { cost })),
        this.small("back", "quote.back"),
      ),
    ];
  }

  /** @param {any} quote */
  queue({ ahead, eta_s: eta }) {
    const { texts } = this;
    if (ahead === null || ahead === undefined) return null;
    let name = ahead > 0 ? "quote.ahead" : "quote.next";
    if (eta === null || eta === undefined) name = "quote.worker-away";
    const time = duration(texts, eta ?? 0);
    return h("p", { class: "dfc-line", "data-key": "queue" }, fill(texts[name], { ahead, time }));
  }

  /** @param {Record<string, string[]>} missing */
  lacks(missing) {
    const { texts } = this;
    return [
      h("p", { class: "dfc-line", "data-key": "title" }, texts["missing.title"]),
      ...LACKS.filter((name) => missing[name].length > 0).map((name) =>
        h(
          "div",
          { class: "dfc-lack", "data-key": name },
          h("p", { class: "dfc-line" }, texts[`missing.${name}`]),
          h("ul", {}, ...missing[name].map((one) => h("li", {}, one))),
        ),
      ),
      h("p", { class: "dfc-line dfc-faint", "data-key": "what" }, texts["missing.what"]),
      h("div", { class: "dfc-buttons", "data-key": "buttons" }, this.small("ask", "missing.again"), this.small("back", "quote.back")),
    ];
  }

  /** @param {string} action @param {string} words */
  small(action, words) {
    return h("button", { type: "button", class: "dfc-small", "data-action": action, "data-key": action }, this.texts[words]);
  }
}
