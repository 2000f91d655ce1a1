// @ts-check
/** Times as the visitor's clock and calendar tell them. Pure. */

import { durationText } from "../format.js";

const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const shortClock = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const dayAndClock = new Intl.DateTimeFormat(undefined, {
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
});

/**
 * Return a moment with its date, seconds and time zone.
 * @param {Date} at
 */
export function exactText(at) {
  return exact.format(at);
}

/**
 * Return the time of day to the minute.
 * @param {Date} at
 */
export function minuteText(at) {
  return shortClock.format(at);
}

/**
 * Return the label of a time on an axis, as fine as the axis is.
 * @param {number} at Unix seconds
 * @param {number} step seconds from one label to the next
 * @param {number} length seconds of the whole axis
 */
export function axisText(at, step, length) {
  const moment = new Date(at * 1000);
  if (length > 86_400) return dayAndClock.format(moment);
  return (step < 60 ? clock : shortClock).format(moment);
}

/**
 * Return the time from one moment to another, "" while one is unknown.
 * @param {string | null} from
 * @param {string | number | null} to
 */
export function lengthText(from, to) {
  if (from === null || to === null) return "";
  return durationText((new Date(to).getTime() - Date.parse(from)) / 1000);
}
