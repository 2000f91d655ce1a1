// @ts-check
/** A moment as an element: short to read, exact on demand, and in UTC for machines. */

import { clockText, momentText } from "../format.js";
import { html } from "../vendor/lit.js";
import { exactText } from "./moments.js";

/**
 * @param {string} at RFC 3339
 * @param {{ seconds?: boolean, now?: number }} [how]
 */
export function moment(at, how = {}) {
  const { seconds = false, now = Date.now() } = how;
  const date = new Date(at);
  const isToday = date.toDateString() === new Date(now).toDateString();
  const text = seconds && isToday ? clockText(date) : momentText(date, new Date(now));
  return html`<time datetime=${at} title=${exactText(date)}>${text}</time>`;
}
