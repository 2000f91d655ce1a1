// @ts-check
/** The calls over HTTP that the page of one job makes beside its live connection. */

/** @typedef {import("../protocol.js").Comment} Comment */
/** @typedef {import("../protocol.js").EventFrame} EventFrame */
/** @typedef {import("../protocol.js").Snapshot} Snapshot */
/** @typedef {{ events: EventFrame[], next: number | null, recovered: boolean }} EventPage */
/** @typedef {{ url: string, token: string, expires: string }} ShareLink */

const EVENTS_A_PAGE = 1000;
const COMMENTS_A_PAGE = 200;
const MOST_COMMENTS = 2000;

/** Why a call was refused: the problem document's `code` and `message`. */
export class Refused extends Error {
  /**
   * @param {string} code
   * @param {string} message
   */
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

export class SiteApi {
  #place;
  #token;

  /**
   * @param {string} job
   * @param {string} [token] of a share, sent as a header and never in an address
   */
  constructor(job, token) {
    this.#place = `/api/v1/jobs/${encodeURIComponent(job)}`;
    this.#token = token;
  }

  /** @returns {Promise<Snapshot>} */
  snapshot() {
    return this.#json("");
  }

  /**
   * Give the events after a seq page by page.
   * @param {number} after
   * @returns {AsyncGenerator<EventPage>}
   */
  async *events(after) {
    for (let next = /** @type {number | null} */ (after); next !== null; ) {
      /** @type {EventPage} */
      const page = await this.#json(`/events?after=${next}&limit=${EVENTS_A_PAGE}`);
      yield page;
      next = page.next;
    }
  }

  /** @returns {Promise<Comment[]>} the first said first */
  async comments() {
    /** @type {Comment[]} */
    const all = [];
    for (let cursor = ""; all.length < MOST_COMMENTS; ) {
      const page = await this.#json(`/comments?limit=${COMMENTS_A_PAGE}${cursor}`);
      all.push(...page.comments);
      if (page.next === null) break;
      cursor = `&cursor=${encodeURIComponent(page.next)}`;
    }
    return all;
  }

  /**
   * @param {number} seconds until it expires
   * @returns {Promise<ShareLink>}
   */
  share(seconds) {
    return this.#json("/share", { expires_in: seconds });
  }

  /** @returns {Promise<Blob>} the picture that the job gave */
  async picture() {
    return (await this.#answer("/result")).blob();
  }

  /**
   * @param {string} path
   * @param {object} [body]
   */
  async #json(path, body) {
    return (await this.#answer(path, body)).json();
  }

  /**
   * @param {string} path
   * @param {object} [body]
   */
  async #answer(path, body) {
    /** @type {Record<string, string>} */
    const headers = { Accept: "application/json, image/*" };
    if (this.#token) headers.Authorization = `Bearer ${this.#token}`;
    if (body) {
      headers["Content-Type"] = "application/json";
      headers["X-CSRFToken"] = /\bcsrftoken=([^;]+)/.exec(document.cookie)?.[1] ?? "";
    }
    const method = body ? "POST" : "GET";
    const answer = await fetch(this.#place + path, {
      method,
      headers,
      body: body && JSON.stringify(body),
      cache: "no-store",
      referrerPolicy: "no-referrer",
    });
    if (answer.ok) return answer;
    const told = await answer.json().catch(() => ({}));
    throw new Refused(told.code ?? "", told.detail ?? `The server answered ${answer.status}.`);
  }
}
