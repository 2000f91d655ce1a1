// @ts-check
/** How a backend is, in a word and a sentence, and what can be done about it. */

import { clockText, durationText, momentText } from "../format.js";

/**
 * @typedef {object} Box
 * @property {string} from
 * @property {string} to
 * @property {number} count
 * @property {number} p5
 * @property {number} p25
 * @property {number} p50
 * @property {number} p75
 * @property {number} p95
 */

/**
 * @typedef {object} Polls
 * @property {number} seconds
 * @property {number} count
 * @property {number} failed
 * @property {number} per_second
 * @property {number | null} error_rate
 * @property {{ p50: number | null, p99: number | null }} latency
 * @property {{ from: string, seconds: number, count: number[], failed: number[],
 *   p50: (number | null)[], p99: (number | null)[] }} series
 */

/**
 * @typedef {object} Failure
 * @property {string} at
 * @property {string} asked
 * @property {string} code
 * @property {number | null} status
 * @property {string | null} job
 * @property {string | null} message
 * @property {Record<string, string>} headers
 * @property {string | null} body
 * @property {boolean} is_cut
 * @property {boolean} is_hidden
 */

/**
 * @typedef {object} Figures
 * @property {string} at
 * @property {Polls | null} polls
 * @property {{ active: number, states: Record<string, number>, stalled: number, unreachable: number,
 *   lag: number, ended: Record<string, number> }} jobs
 * @property {(Box & { boxes: Box[] }) | null} durations
 * @property {Failure | null} last_failure
 */

/**
 * @typedef {object} Backend
 * @property {string} name
 * @property {string} title
 * @property {string} description
 * @property {"ok" | "unreachable"} condition
 * @property {"closed" | "open" | "half_open"} circuit
 * @property {string | null} since
 * @property {string | null} retry_at
 * @property {string | null} held_until
 * @property {Figures} figures
 */

/** @typedef {"down" | "failing" | "held" | "late" | "unknown" | "idle" | "good"} Kind from the worst on */

/**
 * @typedef {object} Health
 * @property {Kind} kind
 * @property {string} word
 * @property {string} sentence what is so
 * @property {string} next what to do, "" for nothing
 */

/** From the worst on: what needs a hand stands first. */
export const KINDS = /** @type {Kind[]} */ (["down", "failing", "held", "late", "unknown", "good", "idle"]);
const FAILING = 0.05; // of all polls
const LATE_SECONDS = 10;

/**
 * @param {Backend} backend
 * @returns {Health}
 */
export function healthOf(backend) {
  const { polls, jobs } = backend.figures;
  if (backend.condition === "unreachable") return down(backend);
  if (backend.held_until) {
    return {
      kind: "held",
      word: "Wants a pause",
      sentence: `It asked to be left alone until ${clockText(new Date(backend.held_until))}.`,
      next: "Nothing to do: its jobs wait, and are asked for again then. If that comes often, lower per_second or in_flight in its description.",
    };
  }
  if (polls?.error_rate && polls.error_rate >= FAILING) {
    return {
      kind: "failing",
      word: "Failing",
      sentence: `${partText(polls.error_rate)} of the polls of the last minute came to nothing.`,
      next: "See the last failing reply below. Jobs are asked for again, and end only when that goes on.",
    };
  }
  if (jobs.lag >= LATE_SECONDS) {
    return {
      kind: "late",
      word: "Late",
      sentence: `A job has waited for ${durationText(jobs.lag)} to be asked for.`,
      next: "Add workers; or, if the backend bears it, raise per_second or in_flight in its description.",
    };
  }
  if (!polls) {
    return {
      kind: "unknown",
      word: "Unknown",
      sentence: "Redis does not answer, so what the workers count cannot be read.",
      next: "Jobs go on without it. Look after Redis; /readyz says when it is back.",
    };
  }
  if (polls.count) {
    const failed = polls.failed ? `${polls.failed} of ${polls.count} polls of the last minute failed.` : "";
    return { kind: "good", word: "Answers", sentence: failed || backend.description, next: "" };
  }
  const isWaiting = jobs.active > 0;
  return {
    kind: isWaiting ? "good" : "idle",
    word: isWaiting ? "Waits" : "Idle",
    sentence: isWaiting ? "No job was due in the last minute." : "No job runs, so it was not asked.",
    next: "",
  };
}

/**
 * @param {Backend} backend
 * @returns {Health}
 */
function down({ since, retry_at, circuit, figures }) {
  const time = (/** @type {string} */ at) => momentText(new Date(at));
  const probe =
    circuit === "half_open"
      ? "One request asks whether it is back, right now."
      : retry_at
        ? `One request asks again at ${clockText(new Date(retry_at))}.`
        : "Each of its jobs is asked for again, ever more seldom.";
  const from = since ? ` since ${time(since)}` : "";
  const status = figures.last_failure?.status;
  return {
    kind: "down",
    word: status ? "Errors only" : "Does not answer",
    sentence: `${status ? "It answers with errors alone" : "Nothing has come back"}${from || " of late"}. ${probe}`,
    next: `Look after the service; below is what it said last.${waiting(figures.jobs.active)}`,
  };
}

/** @param {number} jobs that are active */
function waiting(jobs) {
  if (!jobs) return "";
  return jobs === 1
    ? " One job waits for it, and goes on by itself."
    : ` ${jobs} jobs wait for it, and go on by themselves.`;
}

/**
 * @param {number} part 0 to 1
 */
export function partText(part) {
  const percent = part * 100;
  const digits = percent > 0 && percent < 1 ? 2 : percent < 10 ? 1 : 0;
  return `${new Intl.NumberFormat(undefined, { maximumFractionDigits: digits }).format(percent)}\u00a0%`;
}

/**
 * Return a latency or a duration in the unit that fits: "4.2 ms", "1.3 s", "2 min 05 s".
 * @param {number | null | undefined} seconds
 */
export function timeText(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const digits = (/** @type {number} */ value) => (value < 10 ? 1 : 0);
  const format = (/** @type {number} */ value) =>
    new Intl.NumberFormat(undefined, { maximumFractionDigits: digits(value) }).format(value);
  if (seconds === 0) return "0\u00a0s";
  if (seconds < 1) return `${format(seconds * 1000)}\u00a0ms`;
  return seconds < 60 ? `${format(seconds)}\u00a0s` : durationText(seconds);
}

/** @param {number} rate a second */
export function rateText(rate) {
  const digits = rate >= 100 ? 0 : rate >= 10 ? 1 : 2;
  return new Intl.NumberFormat(undefined, { maximumFractionDigits: digits }).format(rate);
}
