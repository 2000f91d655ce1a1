// @ts-check
/** Who else has just changed a job, and what: kept for a minute. */

/** @typedef {import("../progrock.js").ProgRock} ProgRock */
/** @typedef {import("../protocol.js").EventFrame} EventFrame */
/** @typedef {import("../protocol.js").Hello} Hello */
/** @typedef {EventFrame & { set?: object, by?: string | null, by_connection?: string | null }} Edited */

const KEPT_MS = 60_000;

/** Tells `change` when there is another mark, or one less. */
export class ChangeMarks extends EventTarget {
  /** @type {Map<string, { by: string, what: string }>} by job */
  #marks = new Map();
  #connection = "";

  /** @param {ProgRock} client */
  constructor(client) {
    super();
    client.addEventListener("hello", (event) => {
      this.#connection = /** @type {CustomEvent<Hello>} */ (event).detail.connection;
    });
    client.addEventListener("event", (event) => {
      const { detail } = /** @type {CustomEvent<Edited>} */ (event);
      if (detail.type === "edited") this.#take(detail);
    });
  }

  /** @param {string} job */
  of(job) {
    return this.#marks.get(job);
  }

  /** @param {Edited} edited */
  #take({ job, set = {}, by, by_connection: connection }) {
    if (connection && connection === this.#connection) return; // our own echo
    const fields = Object.keys(set).map((name) => (name === "pinned" ? "pin" : name));
    const mark = { by: by ?? "Somebody", what: fields.join(" and ") };
    this.#marks.set(job, mark);
    this.dispatchEvent(new Event("change"));
    setTimeout(() => {
      if (this.#marks.get(job) !== mark) return;
      this.#marks.delete(job);
      this.dispatchEvent(new Event("change"));
    }, KEPT_MS);
  }
}
