// @ts-check
/** Figures and states in words. Pure. */

/** @typedef {import("./protocol.js").Condition} Condition */
/** @typedef {import("./protocol.js").Snapshot} Snapshot */
/** @typedef {import("./protocol.js").State} State */

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const NO_BREAK = "\u00a0";
const BYTE_UNITS = ["bytes", "kB", "MB", "GB", "TB", "PB"];

/** @type {Record<State, string>} */
export const STATE_WORDS = {
  pending: "Pending",
  queued: "Queued",
  running: "Running",
  cancelling: "Cancelling",
  succeeded: "Succeeded",
  failed: "Failed",
  cancelled: "Cancelled",
  timed_out: "Timed out",
};

/** @type {Record<Condition, string>} */
export const CONDITION_WORDS = {
  ok: "",
  stalled: "Stalled: nothing moves",
  unreachable: "Backend does not answer",
};

/** The same where there is little room.
 * @type {Record<Condition, string>} */
export const SHORT_CONDITION_WORDS = { ok: "", stalled: "Stalled", unreachable: "No answer" };

const figures = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const shortClock = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const dayAndClock = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/**
 * Return progress (0 to 100) as "42 %". It is rounded down: 100 % is said at the end only.
 * @param {number | null} progress
 */
export function percentText(progress) {
  return progress === null ? "" : `${Math.floor(progress)}${NO_BREAK}%`;
}

/**
 * Return how much is done, as "204 of 480 tiles" or "1.05 of 3.24 MB", or what of it is known.
 * @param {number | null} current
 * @param {number | null} total
 * @param {string | null} unit
 */
export function amountText(current, total, unit) {
  if (current === null) return "";
  const scale = unit === "bytes" ? byteScale(Math.max(current, total ?? 0)) : { per: 1, unit };
  const of = total === null ? "" : ` of ${figures.format(total / scale.per)}`;
  return `${figures.format(current / scale.per)}${of}${scale.unit ? NO_BREAK + scale.unit : ""}`;
}

/** @param {number} bytes */
function byteScale(bytes) {
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), BYTE_UNITS.length - 1);
  return { per: 1000 ** power, unit: BYTE_UNITS[power] };
}

/**
 * Return the time left in words, as coarse as the estimate is: "about 2 min left".
 * @param {number | null} seconds
 */
export function etaText(seconds) {
  if (seconds === null) return "";
  if (seconds < 5) return "a few seconds left";
  if (seconds < 55) return `about ${Math.round(seconds / 5) * 5}${NO_BREAK}s left`;
  if (seconds < 55 * MINUTE) {
    return `about ${Math.max(Math.round(seconds / MINUTE), 1)}${NO_BREAK}min left`;
  }
  if (seconds < 10 * HOUR) {
    const halves = Math.round(seconds / (HOUR / 2)) / 2;
    return `about ${figures.format(Math.max(halves, 1))}${NO_BREAK}h left`;
  }
  if (seconds < 2 * DAY) return `about ${Math.round(seconds / HOUR)}${NO_BREAK}h left`;
  return `about ${Math.round(seconds / DAY)} days left`;
}

/**
 * Return the range of an estimate, as coarse as it is: "1–4 min"; empty where its ends are alike.
 * @param {number} low seconds
 * @param {number} high seconds
 */
export function rangeText(low, high) {
  const [per, unit] =
    high < 100 ? [1, "s"] : high < 100 * MINUTE ? [MINUTE, "min"] : high < 2 * DAY ? [HOUR, "h"] : [DAY, "d"];
  const [from, to] = [low, high].map((seconds) => figures.format(coarse(seconds / per)));
  return from === to ? "" : `${from}–${to}${NO_BREAK}${unit}`;
}

/** @param {number} amount rounded to two digits, in halves below 3 and in fives above 20 */
function coarse(amount) {
  if (amount < 3) return Math.round(amount * 2) / 2;
  return amount < 20 ? Math.round(amount) : Math.round(amount / 5) * 5;
}

/**
 * Return an age, coarsely: "40 s", "12 min", "3 h", "2 d".
 * @param {number} seconds
 */
export function ageText(seconds) {
  const whole = Math.max(Math.floor(seconds), 0);
  if (whole < MINUTE) return `${whole}${NO_BREAK}s`;
  if (whole < HOUR) return `${Math.floor(whole / MINUTE)}${NO_BREAK}min`;
  if (whole < 2 * DAY) return `${Math.floor(whole / HOUR)}${NO_BREAK}h`;
  return `${Math.floor(whole / DAY)}${NO_BREAK}d`;
}

/**
 * Return a length of time exactly: "8 s", "1 min 05 s", "2 h 03 min", "3 d 4 h".
 * @param {number} seconds
 */
export function durationText(seconds) {
  const whole = Math.max(Math.floor(seconds), 0);
  const two = (/** @type {number} */ figure) => String(figure).padStart(2, "0");
  const join = (/** @type {string[]} */ ...parts) => parts.join(NO_BREAK);
  if (whole < MINUTE) return join(String(whole), "s");
  if (whole < HOUR) {
    return `${join(String(Math.floor(whole / MINUTE)), "min")} ${join(two(whole % MINUTE), "s")}`;
  }
  if (whole < DAY) {
    const minutes = Math.floor((whole % HOUR) / MINUTE);
    return `${join(String(Math.floor(whole / HOUR)), "h")} ${join(two(minutes), "min")}`;
  }
  const hours = Math.floor((whole % DAY) / HOUR);
  return `${join(String(Math.floor(whole / DAY)), "d")} ${join(String(hours), "h")}`;
}

/**
 * Return a moment in the visitor's time zone: the time today, with the date on other days.
 * @param {Date} at
 * @param {Date} [now]
 */
export function momentText(at, now = new Date()) {
  const isToday = at.toDateString() === now.toDateString();
  return (isToday ? shortClock : dayAndClock).format(at);
}

/**
 * Return the time of day with seconds.
 * @param {Date} at
 */
export function clockText(at) {
  return clock.format(at);
}

/**
 * Return how a job ended, as a sentence for those who do not see the page.
 * @param {Snapshot} job
 */
export function endText(job) {
  const title = shortened(job.title, 80);
  if (job.state === "timed_out") return `${title} timed out`;
  const reason = job.state === "failed" && job.error ? `: ${shortened(job.error.message, 200)}` : "";
  return `${title} ${STATE_WORDS[job.state].toLowerCase()}${reason}`;
}

/**
 * @param {string} text
 * @param {number} length
 */
export function shortened(text, length) {
  return text.length <= length ? text : `${text.slice(0, length - 1).trimEnd()}…`;
}
