// @ts-check
/** A job's events as a page holds them: each `seq` once, in order, whatever way it came. Pure. */

/** @typedef {import("../protocol.js").Comment} Comment */
/** @typedef {import("../protocol.js").Edit} Edit */
/** @typedef {import("../protocol.js").EventFrame} EventFrame */

/**
 * An event that is kept: it has a number, and what its type brings.
 * @typedef {EventFrame & {
 *   seq: number,
 *   lines?: string[],
 *   comment?: Comment,
 *   set?: Edit,
 *   version?: number,
 *   by?: string | null,
 *   by_connection?: string | null,
 * }} KeptEvent
 */

const MOST = 8000;

export class EventLog {
  /** @type {Map<number, KeptEvent>} */
  #bySeq = new Map();
  /** @type {KeptEvent[] | null} in order; null when it has to be made anew */
  #ordered = [];
  #most;

  /** Counts up with each change. */
  version = 0;

  /** Whether events before the first one here are no longer to be had. */
  isCut = false;

  /** @param {number} [most] events held; what is over thins out the progress */
  constructor(most = MOST) {
    this.#most = most;
  }

  /**
   * Take events in; those that are here already, and presence, are passed over.
   * @param {Iterable<EventFrame>} frames
   * @returns {KeptEvent[]} the new ones
   */
  add(frames) {
    const added = [];
    for (const frame of frames) {
      const { seq } = frame;
      if (seq === undefined || this.#bySeq.has(seq)) continue;
      const kept = /** @type {KeptEvent} */ (frame);
      const isNext = this.#ordered && seq > (this.#ordered.at(-1)?.seq ?? 0);
      this.#bySeq.set(seq, kept);
      if (isNext) this.#ordered?.push(kept);
      else this.#ordered = null;
      added.push(kept);
    }
    if (added.length) this.version += 1;
    if (this.#bySeq.size > this.#most) this.#thin();
    return added;
  }

  /** @returns {readonly KeptEvent[]} by seq */
  get events() {
    this.#ordered ??= [...this.#bySeq.values()].sort((one, other) => one.seq - other.seq);
    return this.#ordered;
  }

  /** The highest seq here; 0 where there is none. */
  get last() {
    return this.events.at(-1)?.seq ?? 0;
  }

  /** Leave out every second progress event: the curve stays, and all else. */
  #thin() {
    const events = this.events;
    let isKept = false;
    const rest = events.filter(({ type }, index) => {
      if (type !== "progress" || index === events.length - 1) return true;
      isKept = !isKept;
      return isKept;
    });
    const kept = rest.length > this.#most ? rest.slice(-this.#most) : rest;
    this.isCut ||= kept.length < rest.length;
    this.#bySeq = new Map(kept.map((event) => [event.seq, event]));
    this.#ordered = kept;
  }
}
