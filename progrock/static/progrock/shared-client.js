// @ts-check
/** One connection a page for each server and visitor, shared by all elements that need it. */

import { afterEvent, laterOf } from "./job.js";
import { ProgRock } from "./progrock.js";

/** @typedef {import("./protocol.js").EventFrame} EventFrame */
/** @typedef {import("./protocol.js").Offline} Offline */
/** @typedef {import("./protocol.js").Snapshot} Snapshot */
/** @typedef {import("./protocol.js").Watching} Watching */
/** @typedef {import("./progrock.js").ProgRockError} ProgRockError */

/**
 * What somebody who follows a job is told.
 * @typedef {object} Follower
 * @property {(job: Snapshot) => void} show the job as it is now
 * @property {(message: string) => void} fail nothing more will come, for this reason
 * @property {(isOnline: boolean) => void} connect whether news can come now
 */

const READY_MS = 5000;
/** @type {Map<string, SharedClient>} by server and token */
const shared = new Map();

/** A client that counts its users, and what they follow. */
class SharedClient {
  #key;
  #users = 0;
  /** @type {Map<string, { known?: Snapshot, followers: Set<Follower> }>} by job */
  #jobs = new Map();

  /**
   * @param {string} key
   * @param {string} site
   * @param {string} [token]
   */
  constructor(key, site, token) {
    this.#key = key;
    this.client = new ProgRock(site, { token });
    this.#listen("event", (/** @type {EventFrame} */ frame) => {
      const known = this.#jobs.get(frame.job)?.known;
      if (known) this.#show(afterEvent(known, frame));
    });
    this.#listen("watching", (/** @type {Watching} */ { job, snapshot }) => {
      if (snapshot) this.#show(laterOf(this.#jobs.get(job)?.known, snapshot));
    });
    this.#listen("refused", (/** @type {ProgRockError} */ { job, message }) => {
      this.#tell(({ fail }) => fail(message), job);
    });
    this.#listen("online", () => this.#tell(({ connect }) => connect(true)));
    this.#listen("offline", (/** @type {Offline} */ { final, reason }) => {
      this.#tell(({ connect, fail }) => (final ? fail(reason) : connect(false)));
    });
  }

  /** Settled when requests can be sent, or after some seconds in any case. */
  async ready() {
    if (this.client.isOnline) return;
    const ending = new AbortController();
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, READY_MS);
      ending.signal.addEventListener("abort", () => clearTimeout(timer));
      this.client.addEventListener("online", resolve, { signal: ending.signal });
    });
    ending.abort();
  }

  /** Keep the connection open until `release`. */
  borrow() {
    this.#users += 1;
    this.client.connect();
    return this;
  }

  /** Let go of it; it is closed when nobody has taken it again at once, as a moved element does. */
  release() {
    this.#users -= 1;
    queueMicrotask(() => {
      if (this.#users > 0 || shared.get(this.#key) !== this) return;
      shared.delete(this.#key);
      this.client.close();
    });
  }

  /**
   * Tell somebody of a job, at once where it is known.
   * @param {string} job
   * @param {Follower} follower
   * @returns {() => void} to be called when nothing more shall be told
   */
  follow(job, follower) {
    this.borrow();
    const entry = this.#jobs.get(job) ?? { followers: new Set() };
    entry.followers.add(follower);
    if (entry.known) follower.show(entry.known);
    if (!this.#jobs.has(job)) {
      this.#jobs.set(job, entry);
      this.client.watch(job).catch(() => {}); // what is refused is told by the client's event
    }
    return () => {
      entry.followers.delete(follower);
      if (entry.followers.size === 0 && this.#jobs.get(job) === entry) {
        this.#jobs.delete(job);
        this.client.unwatch(job).catch(() => {});
      }
      this.release();
    };
  }

  /**
   * @param {string} type
   * @param {(detail: any) => void} take
   */
  #listen(type, take) {
    this.client.addEventListener(type, (event) => {
      take(/** @type {CustomEvent} */ (event).detail);
    });
  }

  /** @param {Snapshot} job */
  #show(job) {
    const entry = this.#jobs.get(job.job);
    if (!entry || entry.known === job) return;
    entry.known = job;
    this.#tell(({ show }) => show(job), job.job);
  }

  /**
   * @param {(follower: Follower) => void} say
   * @param {string} [job] to those who follow it; left out, to all
   */
  #tell(say, job) {
    for (const [id, { followers }] of [...this.#jobs]) {
      if (job === undefined || job === id) for (const follower of [...followers]) say(follower);
    }
  }
}

/**
 * Return the page's client for a server, which the caller has to `borrow`.
 * @param {string} site
 * @param {string} [token]
 * @returns {SharedClient}
 */
export function sharedClient(site, token) {
  const key = JSON.stringify([new URL(site, document.baseURI).href, token]);
  const known = shared.get(key) ?? new SharedClient(key, new URL(site, document.baseURI).href, token);
  shared.set(key, known);
  return known;
}

/**
 * Return which server an element means, and as whom. `src` is its address or a share link,
 * `https://HOST/jobs/ID#share=TOKEN`, which names the job and the token as well.
 * @param {HTMLElement} element with the attributes `src` and `token`
 * @returns {{ site: string, job: string | null, token: string | undefined }}
 */
export function sourceOf(element) {
  const url = new URL(element.getAttribute("src") ?? "/", document.baseURI);
  const named = /^(.*\/)jobs\/([^/]+)\/?$/.exec(url.pathname);
  const token = new URLSearchParams(url.hash.slice(1)).get("share");
  return {
    site: new URL(named ? named[1] : url.pathname, url).href,
    job: named && named[2],
    token: element.getAttribute("token") ?? token ?? undefined,
  };
}
