// @ts-check
/** Where the store gets its jobs from: the feed, pages of the list, and single snapshots. */

import { ACTIVE, STATE_GROUPS, feedFilter, isWanted } from "./filter.js";
import { getJob, getJobs } from "./lists.js";

/** @typedef {import("../progrock.js").ProgRock} ProgRock */
/** @typedef {import("../protocol.js").EventFrame} EventFrame */
/** @typedef {import("../protocol.js").Page} Page */
/** @typedef {import("../protocol.js").Snapshot} Snapshot */
/** @typedef {import("../protocol.js").Watching} Watching */
/** @typedef {import("./filter.js").Wanted} Wanted */
/** @typedef {import("./store.js").JobStore} JobStore */

const PAGE_SIZE = 200;
const MOST_ACTIVE_PAGES = 25;
const LATEST_FAILURES = 50;
const FETCHES_AT_ONCE = 4;
const FRAMES_HELD = 100; // for a job whose snapshot is on its way
const MOST_JOBS = 20_000; // of ended ones, beyond, the oldest are forgotten
const REFRESH_MS = 15_000; // of what no event tells: who watches, how sure an estimate is

/** Keeps a store the same as what the server has of the jobs that are wanted. */
export class Source {
  #client;
  #store;
  #onMore;
  /** @type {string | null} the cursor of the next page; null where all are here */
  #next = null;
  #turn = 0; // counts what was wanted; answers to an earlier wish are late
  #isLoading = false;
  /** @type {Map<string, EventFrame[]>} frames of jobs whose snapshot is awaited */
  #held = new Map();
  /** @type {string[]} */
  #queue = [];
  #fetching = 0;

  /**
   * @param {ProgRock} client
   * @param {JobStore} store
   * @param {() => void} onMore whether there is more may have changed
   */
  constructor(client, store, onMore) {
    this.#client = client;
    this.#store = store;
    this.#onMore = onMore;
    client.addEventListener("event", (event) => {
      this.#take(/** @type {CustomEvent<EventFrame>} */ (event).detail);
    });
    client.addEventListener("watching", (event) => {
      const { detail } = /** @type {CustomEvent<Page | Watching>} */ (event);
      if ("jobs" in detail) this.#begin(detail);
    });
    this.#follow();
    setInterval(() => this.#refresh(), REFRESH_MS);
  }

  get hasMore() {
    return this.#next !== null;
  }

  /**
   * Show other jobs from now on.
   * @param {Wanted} wanted
   */
  want(wanted) {
    const before = JSON.stringify(feedFilter(this.#store.wanted));
    this.#store.wanted = wanted;
    this.#turn += 1;
    this.#setNext(null);
    if (JSON.stringify(feedFilter(wanted)) !== before) this.#follow();
    else this.#load();
  }

  /** Load the next page of older jobs. */
  async loadMore() {
    if (this.#next === null || this.#isLoading) return;
    const turn = this.#turn;
    this.#isLoading = true;
    try {
      const page = await getJobs(asked(this.#store.wanted), PAGE_SIZE, this.#next);
      if (turn !== this.#turn) return;
      this.#store.put(page.jobs);
      this.#setNext(page.next);
    } finally {
      this.#isLoading = false;
    }
  }

  #follow() {
    // What is refused is told by the client's own events.
    this.#client.feed(feedFilter(this.#store.wanted)).catch(() => {});
  }

  /**
   * Return whether the feed tells of a job.
   * @param {Snapshot} job
   */
  #isFollowed(job) {
    const { wanted, user } = this.#store;
    return isWanted({ ...wanted, state: "", q: "" }, job, user);
  }

  /** @param {EventFrame} frame */
  #take(frame) {
    if (frame.seq === undefined || this.#store.apply(frame)) return;
    const held = this.#held.get(frame.job);
    if (held) {
      held.push(frame);
      if (held.length > FRAMES_HELD) held.shift();
    } else {
      this.#held.set(frame.job, [frame]);
      this.#fetch(frame.job);
    }
  }

  /**
   * The feed begins, for the first time or after a loss: the page holds the newest jobs.
   * @param {Page} page
   */
  #begin(page) {
    const { jobs } = this.#store;
    const isIn = new Set(page.jobs.map(({ job }) => job));
    const oldest = page.jobs.at(-1)?.created ?? "";
    const gone = [...jobs.values()].filter((job) => {
      if (isIn.has(job.job) || !this.#isFollowed(job)) return false;
      return page.next === null || job.created > oldest;
    });
    this.#store.remove(gone.map(({ job }) => job));
    this.#store.put(page.jobs);
    this.#turn += 1;
    if (page.next === null) this.#setNext(null);
    else this.#load(isIn);
  }

  /**
   * Load the first page of what is wanted, all that is at work, and what failed lately.
   * @param {Set<string>} fresh jobs that are up to date
   */
  async #load(fresh = new Set()) {
    const turn = this.#turn;
    const { wanted } = this.#store;
    const put = (/** @type {Page} */ { jobs }) => {
      this.#store.put(jobs);
      for (const { job } of jobs) fresh.add(job);
    };
    try {
      const first = await getJobs(asked(wanted), PAGE_SIZE);
      if (turn !== this.#turn) return;
      put(first);
      this.#setNext(first.next);
      if (first.next === null) return;
      if (!wanted.state) put(await getJobs(asked({ ...wanted, state: "failed" }), LATEST_FAILURES));
      await this.#loadActive(wanted, put);
    } catch {
      return; // the connection is lost; with the next one the feed begins again
    }
    if (turn !== this.#turn) return;
    for (const job of this.#store.jobs.values()) {
      if (!job.complete && !fresh.has(job.job) && this.#isFollowed(job)) this.#fetch(job.job);
    }
  }

  /**
   * @param {Wanted} wanted
   * @param {(page: Page) => void} put
   */
  async #loadActive(wanted, put) {
    const turn = this.#turn;
    /** @type {string | null} */
    let cursor = null;
    for (let pages = 0; pages < MOST_ACTIVE_PAGES && turn === this.#turn; pages += 1) {
      /** @type {Page} */
      const page = await getJobs(asked({ ...wanted, q: "", state: "active" }), PAGE_SIZE, cursor);
      put(page);
      cursor = page.next;
      if (cursor === null) return;
    }
  }

  /** Ask again for what changes without an event, while anybody looks. */
  async #refresh() {
    this.#forget();
    if (document.hidden || !this.#client.isOnline) return;
    if (!this.#store.shown.some(({ complete }) => !complete)) return;
    try {
      const asking = { ...feedFilter(this.#store.wanted), state: ACTIVE };
      this.#store.put((await getJobs(asking, PAGE_SIZE)).jobs);
    } catch {
      // The next time will do.
    }
  }

  #forget() {
    const ended = [...this.#store.jobs.values()].filter(({ complete }) => complete);
    if (ended.length <= MOST_JOBS) return;
    const oldest = ended.sort((one, other) => (one.created < other.created ? -1 : 1));
    const surplus = oldest.slice(0, ended.length - MOST_JOBS).filter(({ pinned }) => !pinned);
    this.#store.remove(surplus.map(({ job }) => job));
  }

  /** @param {string} job */
  #fetch(job) {
    this.#queue.push(job);
    this.#work();
  }

  async #work() {
    if (this.#fetching >= FETCHES_AT_ONCE) return;
    const job = this.#queue.shift();
    if (job === undefined) return;
    this.#fetching += 1;
    try {
      const snapshot = await getJob(job);
      if (snapshot) this.#store.put([snapshot]);
      else this.#store.remove([job]);
      const held = this.#held.get(job) ?? [];
      if (snapshot) held.forEach((frame) => this.#store.apply(frame));
    } catch {
      // Not to be had now: the job's next event, or the next connection, asks again.
    } finally {
      this.#held.delete(job);
      this.#fetching -= 1;
      this.#work();
    }
  }

  /** @param {string | null} next */
  #setNext(next) {
    this.#next = next;
    this.#onMore();
  }
}

/** @param {Wanted} wanted */
function asked({ state, q, ...rest }) {
  return { ...feedFilter({ state, q, ...rest }), state: STATE_GROUPS[state] ?? [], q };
}
