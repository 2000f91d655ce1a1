// @ts-check
/** The order of the list: pinned, then at work, then failed lately, then the rest. Pure. */

/** @typedef {import("../protocol.js").Snapshot} Snapshot */
/** @typedef {(one: Snapshot, other: Snapshot) => number} Compare */

export const LATELY_MS = 3_600_000;

/**
 * Return a comparison for this moment; the newest stands first among equals.
 * @param {number} now in milliseconds since the epoch
 * @returns {Compare}
 */
export function orderAt(now) {
  const since = new Date(now - LATELY_MS).toISOString();
  const rank = (/** @type {Snapshot} */ job) => {
    const within = !job.complete ? 0 : isFailure(job) && (job.finished ?? "") > since ? 1 : 2;
    return (job.pinned ? 0 : 3) + within;
  };
  return (one, other) =>
    rank(one) - rank(other) ||
    compareText(other.created, one.created) ||
    compareText(other.job, one.job);
}

/** @param {Snapshot} job */
export function isFailure({ state }) {
  return state === "failed" || state === "timed_out";
}

/**
 * Return where a job stands in an ordered list, or would have to.
 * @param {readonly Snapshot[]} jobs
 * @param {Snapshot} job
 * @param {Compare} compare
 */
export function placeOf(jobs, job, compare) {
  let low = 0;
  let high = jobs.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compare(jobs[middle], job) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * @param {string} one
 * @param {string} other
 */
function compareText(one, other) {
  return one < other ? -1 : Number(one > other);
}
