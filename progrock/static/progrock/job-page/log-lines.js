// @ts-check
/** The lines of a job's log: bounded, and searched. Pure. */

/** @typedef {import("./event-log.js").KeptEvent} KeptEvent */
/** @typedef {{ number: number, at: string, text: string }} Line `number` counts all lines from 1 */

const MOST_LINES = 2000;

export class LogLines {
  /** @type {Line[]} */
  lines = [];
  #seq = 0;
  #count = 0;
  #most;

  /** @param {number} [most] the oldest ones go */
  constructor(most = MOST_LINES) {
    this.#most = most;
  }

  /** How many lines went. */
  get dropped() {
    return this.#count - this.lines.length;
  }

  /**
   * Take in the lines of events in their order; those that were taken before are passed over.
   * @param {readonly KeptEvent[]} events
   * @returns {Line[]} the new lines
   */
  take(events) {
    const added = [];
    for (let index = firstAfter(events, this.#seq); index < events.length; index += 1) {
      const { seq, type, at, lines } = events[index];
      this.#seq = seq;
      if (type !== "log") continue;
      for (const text of lines ?? []) added.push({ number: (this.#count += 1), at, text });
    }
    this.lines.push(...added);
    if (this.lines.length > this.#most) this.lines.splice(0, this.lines.length - this.#most);
    return added;
  }

  /**
   * Return the lines that hold a text, in any case; all for none.
   * @param {string} text
   */
  holding(text) {
    const wanted = text.toLowerCase();
    return wanted ? this.lines.filter((line) => line.text.toLowerCase().includes(wanted)) : this.lines;
  }
}

/**
 * Return where the first event after a seq stands.
 * @param {readonly KeptEvent[]} events
 * @param {number} seq
 */
function firstAfter(events, seq) {
  let index = events.length;
  while (index > 0 && events[index - 1].seq > seq) index -= 1;
  return index;
}

/**
 * Return a text in parts, every second of which is what was sought.
 * @param {string} text
 * @param {string} sought
 * @returns {string[]}
 */
export function partsOf(text, sought) {
  if (!sought) return [text];
  const escaped = sought.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return text.split(new RegExp(`(${escaped})`, "gi"));
}
