// @ts-check
/** The pack's three routes. */

/** @typedef {import("./photo.js").PhotoReference} PhotoReference */
/** @typedef {import("./strokes.js").StrokeDocument} StrokeDocument */
/** @typedef {PhotoReference & {width?: number, height?: number, fingerprint?: string}} Photo */
/** @typedef {(path: string, options: object) => Promise<Response>} Fetch ComfyUI's fetchApi */

/** Says by `code` what the server refused; `sentence` is its own English. */
export class ServerError extends Error {
  /**
   * @param {string} code
   * @param {string} sentence
   */
  constructor(code, sentence) {
    super(sentence);
    this.name = "ServerError";
    this.code = code;
    this.sentence = sentence;
  }
}

/** @param {Fetch} fetchApi */
export function createServer(fetchApi) {
  /** @param {string} route @param {object} body */
  const post = async (route, body) => {
    let answer;
    try {
      answer = await fetchApi(`/dressform/hints/${route}`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body),
      });
    } catch (error) {
      throw new ServerError("unreachable", String(error));
    }
    const content = await answer.json().catch(() => null);
    if (!answer.ok || content === null) {
      const sentence = typeof content?.error === "string" ? content.error : `${answer.status}`;
      throw new ServerError(content?.code ?? "unreachable", sentence);
    }
    return content;
  };
  return {
    /**
     * @param {Photo} photo
     * @returns {Promise<{width: number, height: number, fingerprint: string}>}
     */
    photo: (photo) => post("photo", { photo }),
    /**
     * @param {Photo} photo
     * @param {object} [options]
     * @returns {Promise<{document: any, warnings: string[]}>}
     */
    propose: (photo, options = {}) => post("propose", { photo, options }),
    /**
     * @param {Photo} photo
     * @param {StrokeDocument} document
     * @returns {Promise<{document: any, warnings: string[]}>}
     */
    refit: (photo, document) => post("refit", { photo, document }),
  };
}
