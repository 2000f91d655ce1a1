// @ts-check
/** What is asked of jobs from the list: one, or several together. */

import { ProgRockError } from "../progrock.js";

/** @typedef {import("../progrock.js").ProgRock} ProgRock */
/** @typedef {import("../protocol.js").Snapshot} Snapshot */
/** @typedef {import("./store.js").JobStore} JobStore */
/** @typedef {"cancel" | "retry"} Asked */

const AT_ONCE = 4;
const PAUSE_MS = 1000; // after the server said that there were too many
const TRIES = 20;

/** Tells `change` when what is asked of a job, or why it was refused, is another. */
export class JobActions extends EventTarget {
  #client;
  #store;
  /** @type {Set<string>} jobs of which something is asked now */
  #busy = new Set();
  /** @type {Map<string, string>} why the last request for a job was refused */
  #notices = new Map();

  /**
   * @param {ProgRock} client
   * @param {JobStore} store
   */
  constructor(client, store) {
    super();
    this.#client = client;
    this.#store = store;
  }

  /** @param {string} job */
  isBusy(job) {
    return this.#busy.has(job);
  }

  /** @param {string} job */
  noticeOf(job) {
    return this.#notices.get(job) ?? "";
  }

  /**
   * Ask one thing of one job. What is refused stands at the job until the next request.
   * @param {string} job
   * @param {Asked} asked
   * @returns {Promise<boolean>} whether it was granted
   */
  async ask(job, asked) {
    const isOffered = this.#store.jobs.get(job)?.can.includes(asked) ?? false;
    if (this.#busy.has(job) || !isOffered) return false;
    return this.#do(job, () => (asked === "cancel" ? this.#client.cancel(job) : this.#retry(job)));
  }

  /**
   * Ask one thing of several jobs.
   * @param {string[]} jobs
   * @param {Asked} asked
   * @returns {Promise<number>} how many were granted
   */
  async askAll(jobs, asked) {
    const waiting = [...jobs];
    let granted = 0;
    const work = async () => {
      for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) {
        if (await this.ask(job, asked)) granted += 1;
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    return granted;
  }

  /** @param {string} job */
  async togglePin(job) {
    const known = this.#store.jobs.get(job);
    if (!known?.can.includes("edit")) return;
    // No version: whatever else was edited meanwhile, the pin is to be the other way round.
    await this.#do(job, () => this.#client.edit(job, { pinned: !known.pinned }));
  }

  /**
   * @param {string} job
   * @param {() => Promise<unknown>} request
   */
  async #do(job, request) {
    this.#busy.add(job);
    this.#notices.delete(job);
    this.#changed();
    try {
      await this.#patiently(request);
      return true;
    } catch (error) {
      this.#notices.set(job, error instanceof Error ? error.message : String(error));
      return false;
    } finally {
      this.#busy.delete(job);
      this.#changed();
    }
  }

  /** @param {() => Promise<unknown>} request */
  async #patiently(request) {
    for (let tries = 1; ; tries += 1) {
      try {
        return await request();
      } catch (error) {
        const isTooFast = error instanceof ProgRockError && error.code === "rate_limited";
        if (!isTooFast || tries === TRIES) throw error;
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
    }
  }

  /** @param {string} job */
  async #retry(job) {
    const { snapshot } = await this.#client.retry(job);
    this.#store.put([snapshot]);
    this.#client.unwatch(snapshot.job).catch(() => {}); // the feed tells of it
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
