// @ts-check
/** Which jobs are shown: read from the page's address and written to it. Pure. */

/** @typedef {import("../protocol.js").Filter} Filter */
/** @typedef {import("../protocol.js").Snapshot} Snapshot */
/** @typedef {import("../protocol.js").State} State */

/**
 * What the address says; an empty text and `false` stand for all.
 * @typedef {object} Wanted
 * @property {string} state a name in STATE_GROUPS
 * @property {string} backend
 * @property {string} label
 * @property {boolean} mine
 * @property {string} q is in the title, the message or the note
 */

/** @type {State[]} */
export const ACTIVE = ["pending", "queued", "running", "cancelling"];
/** The same groups and names as in dashboard/queries.py.
 * @type {Record<string, State[]>} */
export const STATE_GROUPS = {
  active: ACTIVE,
  failed: ["failed", "timed_out"],
  succeeded: ["succeeded"],
  cancelled: ["cancelled"],
};

/**
 * @param {string} search of an address, as "?state=failed&q=night"
 * @returns {Wanted}
 */
export function readWanted(search) {
  const given = new URLSearchParams(search);
  const state = given.get("state") ?? "";
  return {
    state: state in STATE_GROUPS ? state : "",
    backend: given.get("backend") ?? "",
    label: given.get("label") ?? "",
    mine: given.get("mine") === "1",
    q: given.get("q") ?? "",
  };
}

/**
 * Return the address of the list with this filter.
 * @param {Wanted} wanted
 */
export function addressOf({ state, backend, label, mine, q }) {
  const given = Object.entries({ state, backend, label, mine: mine ? "1" : "", q });
  const query = `${new URLSearchParams(given.filter(([, value]) => value !== ""))}`;
  return query ? `/?${query}` : "/";
}

/** @param {Wanted} wanted */
export function isNarrow({ state, backend, label, mine, q }) {
  return Boolean(state || backend || label || mine || q);
}

/**
 * Return what the feed is asked for. States are not in it: a job that ends must be told to a list
 * of those that run.
 * @param {Wanted} wanted
 * @returns {Filter}
 */
export function feedFilter({ backend, label, mine }) {
  return { ...(backend && { backend }), ...(label && { label }), ...(mine && { mine }) };
}

/**
 * Return whether a job that the feed told of is to be shown.
 * @param {Wanted} wanted
 * @param {Snapshot} job
 * @param {string | null} user who looks
 */
export function isWanted({ state, backend, label, mine, q }, job, user) {
  if (state && !STATE_GROUPS[state].includes(job.state)) return false;
  if (backend && job.backend !== backend) return false;
  if (label && !job.labels.includes(label)) return false;
  if (mine && job.owner !== user) return false;
  if (!q) return true;
  const words = q.toLowerCase();
  return [job.title, job.message, job.note].some((text) => text?.toLowerCase().includes(words));
}
