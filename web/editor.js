// @ts-check
/**
 * The drawing of one node: its document with undo and redo, the chosen tool, the photo, and what
 * the user is told. Knows no element and no graph.
 */

import * as edits from "./edits.js";
import * as histories from "./history.js";
import { ServerError } from "./server.js";
import { check, DocumentError, empty, MAX_STROKES, parse, ROLES, serialise } from "./strokes.js";

/** @typedef {import("./strokes.js").StrokeDocument} StrokeDocument */
/** @typedef {{document: StrokeDocument | null, text: string}} State */
/**
 * @typedef {object} Photo
 * @property {import("./server.js").Photo} reference
 * @property {number} width
 * @property {number} height
 * @property {string} fingerprint "" where the server could not tell
 */
/**
 * @typedef {object} Notice
 * @property {"info" | "error"} kind
 * @property {string} code
 * @property {Record<string, string | number>} [values]
 */

const RADIUS_OF_SIDE = 1 / 200; // of the photo's long side: a felt pen on a printed photo
const MAX_REMEMBERED = 16;
const LIMB_ROLES = /^(arm|hand|leg|foot)_/;

/**
 * Drawings by their text: a change of tab loads the graph again, and undo should go on there.
 *
 * @type {Map<string, histories.History<State>>}
 */
const REMEMBERED = new Map();

/** One node's drawing. */
export class Editor {
  /**
   * @param {object} options
   * @param {ReturnType<typeof import("./server.js").createServer>} options.server
   * @param {(text: string) => void} options.onCommit
   * @param {() => void} options.onChange
   * @param {() => void} options.onBlocked the user drew where that cannot be: see `isBlocked`
   */
  constructor({ server, onCommit, onChange, onBlocked }) {
    this.server = server;
    this.onCommit = onCommit;
    this.onChange = onChange;
    this.onBlocked = onBlocked;
    /** @type {histories.History<State>} */
    this.history = histories.start({ document: null, text: "" });
    this.tool = "pen";
    this.role = "head";
    this.radius_px = 5;
    this.hasChosenRadius = false;
    this.pressure = true;
    this.opacity = 1;
    /** @type {number | null} */
    this.selected = null;
    /** @type {Photo | null} */
    this.photo = null;
    /** @type {StrokeDocument | null} */
    this.proposal = null;
    /** @type {Notice | null} */
    this.notice = null;
    this.busy = "";
    this.isLoading = false; // a photo is on its way: whose strokes these are is not known yet
  }

  get text() {
    return this.history.present.text;
  }

  /** What the user drew; null where that is nothing, or cannot be read. */
  get document() {
    return this.history.present.document;
  }

  get color() {
    return ROLES[this.role];
  }

  /** What a run would use: the drawing, else the proposal that is connected. */
  get shown() {
    if (this.document) return this.document;
    return this.text === "" && this.proposal && this.fits(this.proposal) ? this.proposal : null;
  }

  /** What the next edit starts from; null without a photo. */
  get base() {
    return this.shown ?? (this.photo ? empty(this.photo) : null);
  }

  /** Whether the drawing belongs to another photo than the one that is connected. */
  get photoChanged() {
    return this.document !== null && this.photo !== null && !this.fits(this.document);
  }

  /** Whether a stroke would be lost, or land on a drawing that waits for a decision. */
  get isBlocked() {
    return this.photoChanged || this.isLoading || this.busy !== "" || this.base === null;
  }

  /** @param {StrokeDocument} document */
  fits(document) {
    const { photo } = this;
    if (!photo) return true;
    const isKnown = document.photo !== "" && photo.fingerprint !== "";
    const isSame = !isKnown || document.photo === photo.fingerprint;
    return isSame && document.width === photo.width && document.height === photo.height;
  }

  /** Takes the text that a workflow carries. @param {unknown} value */
  load(value) {
    const text = typeof value === "string" ? value : "";
    if (text === this.text) return;
    this.selected = null;
    this.notice = null;
    this.history = REMEMBERED.get(text) ?? histories.start(this.read(text));
    this.onChange();
  }

  /** @param {string} text @returns {State} */
  read(text) {
    if (text === "") return { document: null, text };
    try {
      return { document: parse(text), text };
    } catch (error) {
      // The text stays until the user draws or clears: nothing is lost.
      this.notice = noticeOf(error);
      return { document: null, text };
    }
  }

  /**
   * Makes a document the present one.
   *
   * @param {StrokeDocument} document
   * @returns {boolean} false where it was refused
   */
  commit(document) {
    try {
      if (document.strokes.length > MAX_STROKES) {
        const got = document.strokes.length;
        throw new DocumentError("too-many-strokes", { limit: MAX_STROKES, got });
      }
      const text = serialise(document);
      if (text === this.text) return true;
      this.notice = null;
      this.adopt(histories.commit(this.history, { document, text }));
      return true;
    } catch (error) {
      this.tell(error);
      return false;
    }
  }

  /** @param {histories.History<State>} history */
  adopt(history) {
    if (history === this.history) return;
    this.history = history;
    const count = this.document?.strokes.length ?? 0;
    if (this.selected !== null && this.selected >= count) this.selected = null;
    REMEMBERED.delete(this.text);
    REMEMBERED.set(this.text, history);
    for (const oldest of REMEMBERED.keys()) {
      if (REMEMBERED.size <= MAX_REMEMBERED) break;
      REMEMBERED.delete(oldest);
    }
    this.onCommit(this.text);
    this.onChange();
  }

  undo() {
    this.adopt(histories.undo(this.history));
  }

  redo() {
    this.adopt(histories.redo(this.history));
  }

  /** Removes all strokes; what remains is a document, so that no proposal takes its place. */
  clear() {
    const base = this.photo ? empty(this.photo) : this.document;
    if (base) this.commit({ ...base, strokes: [] });
  }

  delete() {
    if (this.selected === null || !this.base) return;
    const index = this.selected;
    this.selected = null;
    this.commit(edits.remove(this.base, index));
  }

  /** @param {boolean} keep whether the original stays */
  mirror(keep) {
    if (!this.base || this.base.strokes.length === 0) return;
    const count = this.base.strokes.length;
    const isOne = this.selected !== null;
    if (this.commit(edits.mirror(this.base, this.selected, keep)) && keep && isOne) {
      this.select(count);
    }
  }

  /** @param {number} dx @param {number} dy */
  nudge(dx, dy) {
    if (this.selected === null || !this.base) return;
    this.commit(edits.move(this.base, this.selected, dx, dy));
  }

  /** @param {string} tool */
  choose(tool) {
    this.tool = tool;
    if (tool !== "move") this.selected = null;
    if (tool === "limb" && !LIMB_ROLES.test(this.role)) this.role = "arm_left";
    this.onChange();
  }

  /** @param {number | null} index */
  select(index) {
    this.selected = index;
    this.onChange();
  }

  /** @param {Partial<Pick<Editor, "role" | "radius_px" | "pressure" | "opacity">>} settings */
  set(settings) {
    Object.assign(this, settings);
    this.hasChosenRadius ||= settings.radius_px !== undefined;
    this.onChange();
  }

  /** A photo was chosen and is not shown yet. */
  await() {
    this.isLoading = true;
    this.onChange();
  }

  /** @param {Photo | null} photo */
  show(photo) {
    this.photo = photo;
    this.isLoading = false;
    if (photo && !this.hasChosenRadius) {
      const side = Math.max(photo.width, photo.height);
      this.radius_px = Math.max(1, Math.round(side * RADIUS_OF_SIDE));
    }
    this.onChange();
  }

  /** Carries the drawing over as it is. */
  keep() {
    if (this.document && this.photo) this.commit(edits.onPhoto(this.document, this.photo));
  }

  async refit() {
    const { document, photo } = this;
    if (!document || !photo) return;
    await this.ask("refit", async () => {
      const answer = await this.server.refit(photo.reference, document);
      return { document: this.forPhoto(answer.document, photo), warnings: answer.warnings };
    });
  }

  /** @param {boolean} onlyMissing keeps what the user drew and proposes the other roles */
  async propose(onlyMissing) {
    const { photo } = this;
    if (!photo) return this.tell(new DocumentError("no-photo"));
    await this.ask("propose", async () => {
      const sent = this.proposal && this.fits(this.proposal) ? this.proposal : null;
      const answer = sent
        ? { document: sent, warnings: [] }
        : await this.server.propose(photo.reference);
      const proposal = this.forPhoto(answer.document, photo);
      const document = edits.withProposal(this.document, proposal, onlyMissing);
      return { document, warnings: answer.warnings };
    });
  }

  /**
   * @param {any} answered
   * @param {Photo} photo
   */
  forPhoto(answered, photo) {
    const document = check(answered);
    return photo.fingerprint === "" ? document : { ...document, photo: photo.fingerprint };
  }

  /**
   * @param {string} what
   * @param {() => Promise<{document: StrokeDocument, warnings: string[]}>} work
   */
  async ask(what, work) {
    if (this.busy) return;
    const { photo } = this;
    this.busy = what;
    this.notice = null;
    this.onChange();
    try {
      const { document, warnings } = await work();
      // The answer may be late: another photo was chosen, or the node was removed.
      if (this.photo === photo && this.commit(document) && warnings?.length) {
        this.notice = { kind: "info", code: "warning", values: { text: warnings.join(" ") } };
      }
    } catch (error) {
      this.notice = noticeOf(error);
    } finally {
      this.busy = "";
      this.onChange();
    }
  }

  /** @param {unknown} error */
  tell(error) {
    this.notice = noticeOf(error);
    this.onChange();
  }

  /** Says something, or takes it back where it is being said. @param {string} code */
  inform(code) {
    this.notice = this.notice?.code === code ? null : { kind: "info", code };
    this.onChange();
  }

  dismiss() {
    this.notice = null;
    this.onChange();
  }

  /** What a run of the node sent. @param {any} sent one entry of ui.dressform_hints */
  ran(sent) {
    try {
      this.proposal = sent?.proposal ? check(sent.proposal) : null;
    } catch (error) {
      this.proposal = null;
      this.notice = noticeOf(error);
    }
    this.onChange();
  }
}

/** @param {unknown} error @returns {Notice} */
export function noticeOf(error) {
  if (error instanceof DocumentError) {
    return { kind: "error", code: error.code, values: error.values };
  }
  if (error instanceof ServerError) {
    return { kind: "error", code: "server", values: { code: error.code, text: error.sentence } };
  }
  return { kind: "error", code: "unexpected", values: { text: String(error) } };
}
