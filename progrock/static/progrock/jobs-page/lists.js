// @ts-check
/** Reads of jobs over HTTP, which can search, beside what a connection tells. */

/** @typedef {import("../protocol.js").Page} Page */
/** @typedef {import("../protocol.js").Snapshot} Snapshot */

const HEADERS = { Accept: "application/json" };

/**
 * Return a page of jobs, the newest first. Rejects where the server does not answer with one.
 * @param {Record<string, string | string[] | boolean | undefined>} fields of `GET jobs`
 * @param {number} limit 1 to 200
 * @param {string | null} [cursor]
 * @returns {Promise<Page>}
 */
export async function getJobs(fields, limit, cursor) {
  const query = new URLSearchParams({ limit: String(limit) });
  for (const [name, value] of Object.entries({ ...fields, cursor: cursor ?? "" })) {
    for (const one of [value].flat()) if (one) query.append(name, String(one));
  }
  const answer = await fetch(`/api/v1/jobs?${query}`, { headers: HEADERS });
  if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
  return answer.json();
}

/**
 * Return a job's snapshot; null where there is none that the visitor may see.
 * @param {string} job
 * @returns {Promise<Snapshot | null>}
 */
export async function getJob(job) {
  const answer = await fetch(`/api/v1/jobs/${job}`, { headers: HEADERS });
  if (answer.status === 404) return null;
  if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
  return answer.json();
}
