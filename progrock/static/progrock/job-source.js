// @ts-check
/** Where the list gets its jobs from: the feed, further pages, and single snapshots over HTTP. */

/** @typedef {import("./job-list.js").JobList} JobList */
/** @typedef {import("./progrock.js").ProgRock} ProgRock */
/** @typedef {import("./protocol.js").EventFrame} EventFrame */
/** @typedef {import("./protocol.js").Page} Page */
/** @typedef {import("./protocol.js").Snapshot} Snapshot */
/** @typedef {import("./protocol.js").State} State */
/** @typedef {import("./protocol.js").Watching} Watching */

/** @type {State[]} */
const ACTIVE = ["pending", "queued", "running", "cancelling"];
const PAGE_SIZE = 50;
const MOST_ACTIVE = 200;
const FETCHES_AT_ONCE = 4;
const FRAMES_HELD = 100; // for a job whose snapshot is on its way

/**
 * Fetch a job's snapshot; null where there is none that the visitor may see.
 * @param {string} job
 * @returns {Promise<Snapshot | null>}
 */
async function fetchSnapshot(job) {
  const answer = await fetch(`/api/v1/jobs/${job}`, { headers: { Accept: "application/json" } });
  if (answer.status === 404) return null;
  if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
  return answer.json();
}

/** Keeps a list the same as the server's feed of all jobs. */
export class FeedSource {
  #client;
  #list;
  #onNext;
  /** @type {string | null | undefined} the cursor of the next page; undefined before the first */
  #next;
  /** @type {Map<string, EventFrame[]>} frames of jobs whose snapshot is awaited */
  #held = new Map();
  /** @type {string[]} */
  #queue = [];
  #fetching = 0;

  /**
   * @param {ProgRock} client
   * @param {JobList} list
   * @param {(hasMore: boolean) => void} onNext
   */
  constructor(client, list, onNext) {
    this.#client = client;
    this.#list = list;
    this.#onNext = onNext;
    client.addEventListener("event", (event) => {
      this.#take(/** @type {CustomEvent<EventFrame>} */ (event).detail);
    });
    client.addEventListener("watching", (event) => {
      const { detail } = /** @type {CustomEvent<Page | Watching>} */ (event);
      if ("jobs" in detail) this.#begin(detail);
    });
    client.feed().catch(() => {}); // what is refused is told by the client's own events
  }

  /** Show the next page of older jobs. */
  async loadMore() {
    if (!this.#next) return;
    const page = await this.#client.list({}, { limit: PAGE_SIZE, cursor: this.#next });
    this.#setNext(page.next);
    this.#list.put(page.jobs);
  }

  /** @param {EventFrame} frame */
  #take(frame) {
    if (frame.seq === undefined || this.#list.apply(frame)) return;
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
    const { jobs } = this.#list;
    const isIn = new Set(page.jobs.map(({ job }) => job));
    const continues = page.jobs.some(({ job }) => jobs.has(job));
    const oldest = page.jobs.at(-1)?.created ?? "";
    const gone = [...jobs.values()].filter(({ job, created }) => {
      if (isIn.has(job)) return false;
      return page.next === null || !continues || created > oldest;
    });
    if (this.#next === undefined || !continues || page.next === null) this.#setNext(page.next);
    this.#list.put(page.jobs);
    this.#list.remove(gone.map(({ job }) => job));
    if (page.next !== null) this.#refreshOlder(isIn);
  }

  /**
   * Bring what is not in the newest page up to date: active jobs, and those that were so.
   * @param {Set<string>} isFresh
   */
  async #refreshOlder(isFresh) {
    try {
      const active = await this.#client.list({ state: ACTIVE }, { limit: MOST_ACTIVE });
      this.#list.put(active.jobs);
      for (const { job } of active.jobs) isFresh.add(job);
    } catch {
      return; // the connection is lost; with the next one the feed begins again
    }
    for (const { job, complete } of this.#list.jobs.values()) {
      if (!complete && !isFresh.has(job)) this.#fetch(job);
    }
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
      const snapshot = await fetchSnapshot(job);
      if (snapshot) this.#list.put([snapshot]);
      else this.#list.remove([job]);
      const held = this.#held.get(job) ?? [];
      if (snapshot) held.forEach((frame) => this.#list.apply(frame));
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
    this.#onNext(next !== null);
  }
}

/**
 * Keep a list of one job the same as the server's.
 * @param {ProgRock} client
 * @param {JobList} list
 * @param {Snapshot} job as the page has it
 */
export function followJob(client, list, job) {
  client.addEventListener("event", (event) => {
    list.apply(/** @type {CustomEvent<EventFrame>} */ (event).detail);
  });
  client.addEventListener("watching", (event) => {
    const { detail } = /** @type {CustomEvent<Page | Watching>} */ (event);
    if ("snapshot" in detail && detail.snapshot) list.put([detail.snapshot]);
  });
  client.watch(job.job, { after: job.seq }).catch(() => {});
}
