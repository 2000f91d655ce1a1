// @ts-check
/** The tab's icon: a ring that fills while jobs run, and the page's own icon otherwise. */

import { find } from "./dom.js";

const LENGTH = 2 * Math.PI * 11; // of the ring
const STEP = 2; // percent; finer is not seen, and each change is drawn by the browser's frame

export class TabIcon {
  #link = find(document, "#icon", HTMLLinkElement);
  #own = this.#link.href;
  #shown = -1;

  /**
   * @param {number | null} progress 0 to 100; null where nothing runs
   * @param {boolean} [isInNeed] something failed or stands still
   */
  show(progress, isInNeed = false) {
    const step = progress === null ? -1 : Math.floor(progress / STEP) * STEP + (isInNeed ? 0.5 : 0);
    if (step === this.#shown) return;
    this.#shown = step;
    this.#link.href = progress === null ? this.#own : iconOf(progress, isInNeed);
  }
}

/**
 * @param {number} progress
 * @param {boolean} isInNeed
 */
function iconOf(progress, isInNeed) {
  const ring = 'cx="16" cy="16" r="11" fill="none" stroke-width="7"';
  const filled = `stroke-dasharray="${(progress / 100) * LENGTH} ${LENGTH}"`;
  const colour = isInNeed ? "#e8b84a" : "#6cd3a0";
  const svg =
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">' +
    `<rect width="32" height="32" rx="7" fill="#23265a"/><circle ${ring} stroke="#565b9c"/>` +
    `<circle ${ring} ${filled} stroke="${colour}" transform="rotate(-90 16 16)"/></svg>`;
  return `data:image/svg+xml,${encodeURIComponent(svg)}`;
}
