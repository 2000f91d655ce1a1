// @ts-check
/** Tells what happened to those who do not see the page: gathered, and not too often. */

const PAUSE_MS = 1000;
const TOLD_SINGLY = 3;

export class Announcer {
  #region;
  /** @type {string[]} */
  #news = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {HTMLElement} region with aria-live="polite" */
  constructor(region) {
    this.#region = region;
  }

  /** @param {string} sentence without a full stop */
  tell(sentence) {
    this.#news.push(sentence);
    this.#timer ??= setTimeout(() => this.#speak(), PAUSE_MS);
  }

  #speak() {
    this.#timer = undefined;
    const told = this.#news.slice(0, TOLD_SINGLY);
    const more = this.#news.length - told.length;
    this.#news = [];
    const line = document.createElement("p");
    line.textContent = [...told, ...(more ? [`and ${more} more`] : [])].join(". ");
    this.#region.replaceChildren(line);
  }
}
