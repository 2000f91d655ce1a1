// @ts-check
/**
 * A client of the ProgRock wire protocol, version 1, without dependencies.
 *
 *     const client = new ProgRock();
 *     client.addEventListener("event", ({ detail }) => console.log(detail.progress));
 *     client.connect();
 *     client.addEventListener("online", () => client.start("fractal", { width: 4000 }));
 *
 * It keeps one WebSocket alive: after a loss it connects again by itself and goes on where it
 * was, without loss or repetition. Its events, each with a `detail`:
 *
 * - `hello` (the frame), `online`: connected; requests are answered from here on.
 * - `offline` (`Offline`): the connection is lost, or another try has failed.
 * - `event` (`EventFrame`): something happened to a job; each `seq` of a job comes once.
 * - `watching` (the answer): a watch began, or began again after a loss. Where it carries a
 *   `snapshot` or `jobs`, these replace what was known before.
 * - `refused` (`ProgRockError`): a watch could not be taken up (again).
 */

import { Connection } from "./connection.js";
import { ProgRockError } from "./protocol.js";

export { ProgRockError };

/** @import { Offline } from "./connection.js" */
/** @import { EventFrame, Filter, Hello, Page, Snapshot, Watching } from "./protocol.js" */

/** @typedef {{ kind: "job", job: string, after?: number }} JobTarget */
/** @typedef {{ kind: "feed", filter: Filter }} FeedTarget */

/**
 * Something that shall be watched, over as many connections as it takes.
 * @typedef {object} Wish
 * @property {JobTarget | FeedTarget} target
 * @property {(answer: any) => void} resolve
 * @property {(error: ProgRockError) => void} reject
 */

/**
 * A request that waits for its answer.
 * @typedef {object} Waiting
 * @property {(answer: any) => void} resolve
 * @property {(error: ProgRockError) => void} reject
 * @property {ReturnType<typeof setTimeout>} timer
 */

const ANSWER_SECONDS = 10;
const PROBE_SECONDS = 4;
const SEEN_JOBS = 10_000; // of so many the last seq is remembered
const FEED = "jobs";

/** Return the address of `/prog/` on the page's own site. */
function ownAddress() {
  const url = new URL("/prog/", globalThis.location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}

export class ProgRock extends EventTarget {
  #connection;
  #isOnline = false;
  #lastId = 0;
  /** @type {Map<string, Waiting>} by message id */
  #waiting = new Map();
  /** @type {Map<string, Wish>} by job, or FEED */
  #wishes = new Map();
  /** @type {Map<string, number>} job to the last seq that came over this connection */
  #seen = new Map();

  /** @param {string} [url] where `/prog/` is; on the page's own site when left out */
  constructor(url = ownAddress()) {
    super();
    this.#connection = new Connection(url, {
      receive: (frame) => this.#receive(frame),
      offline: (offline) => this.#goOffline(offline),
      probe: () => this.#request({ action: "ping" }, PROBE_SECONDS),
    });
  }

  /** Whether requests can be sent now. */
  get isOnline() {
    return this.#isOnline;
  }

  /** When the last frame came, in milliseconds since the epoch; 0 for never. */
  get lastFrameAt() {
    return this.#connection.lastFrameAt;
  }

  /** Connect, and stay connected until `close`. */
  connect() {
    this.#connection.open();
  }

  /** Disconnect for good, and forget what was watched. */
  close() {
    this.#wishes.clear();
    this.#connection.close();
  }

  /**
   * Start a job; it is watched from then on. A `key` makes a repetition give the same job.
   * @param {string | null} backend null for the default one
   * @param {Record<string, unknown>} [params]
   * @param {{ title?: string, labels?: string[], key?: string }} [options]
   * @returns {Promise<Watching & { snapshot: Snapshot }>}
   */
  async start(backend, params = {}, options = {}) {
    const named = backend === null ? {} : { backend };
    const answer = await this.#request({ action: "start", ...named, params, ...options });
    this.#wish({ kind: "job", job: answer.job, after: answer.seq });
    return answer;
  }

  /**
   * Follow a job, over lost connections too, until `unwatch`. Without `after`, the answer brings
   * its snapshot; with it, the events with a higher seq follow.
   * @param {string} job
   * @param {{ after?: number }} [options]
   * @returns {Promise<Watching>}
   */
  watch(job, { after } = {}) {
    return this.#follow({ kind: "job", job, after });
  }

  /**
   * Follow all jobs that match, over lost connections too.
   * @param {Filter} [filter]
   * @returns {Promise<Page>} the newest of them
   */
  watchFeed(filter = {}) {
    return this.#follow({ kind: "feed", filter });
  }

  /**
   * Stop following a job, or the feed when none is named.
   * @param {string} [job]
   * @returns {Promise<void>}
   */
  async unwatch(job) {
    this.#wishes.delete(job ?? FEED);
    if (!this.#isOnline) return;
    await this.#request({ action: "unwatch", ...(job === undefined ? { feed: FEED } : { job }) });
  }

  /**
   * Ask for a job to be stopped; that it has been comes as an event.
   * @param {string} job
   * @returns {Promise<void>}
   */
  async cancel(job) {
    await this.#request({ action: "cancel", job });
  }

  /**
   * Return one page of the jobs that match, newest first.
   * @param {Filter} [filter]
   * @param {{ limit?: number, cursor?: string }} [options]
   * @returns {Promise<Page>}
   */
  list(filter = {}, options = {}) {
    return this.#request({ action: "list", filter, ...options });
  }

  /** @returns {Promise<void>} settled when the server has answered */
  async ping() {
    await this.#request({ action: "ping" });
  }

  // --- requests and answers ---------------------------------------------------------------------

  /**
   * @param {Record<string, unknown>} message
   * @param {number} [patienceSeconds]
   * @returns {Promise<any>}
   */
  #request(message, patienceSeconds = ANSWER_SECONDS) {
    if (!this.#isOnline) {
      return Promise.reject(new ProgRockError("offline", "Not connected.", { retryable: true }));
    }
    const id = String((this.#lastId += 1));
    return new Promise((resolve, reject) => {
      const giveUp = () => {
        this.#waiting.delete(id);
        reject(new ProgRockError("timeout", "The server did not answer.", { retryable: true }));
      };
      const timer = setTimeout(giveUp, patienceSeconds * 1000);
      this.#waiting.set(id, { resolve, reject, timer });
      this.#connection.send({ ...message, id });
    });
  }

  /** @param {any} frame */
  #answer(frame) {
    const waiting = this.#waiting.get(frame.id);
    if (!waiting) return;
    this.#waiting.delete(frame.id);
    clearTimeout(waiting.timer);
    if (frame.type === "error") {
      waiting.reject(new ProgRockError(frame.code, frame.message, frame));
    } else {
      waiting.resolve(frame);
    }
  }

  /** @param {Offline} offline */
  #goOffline(offline) {
    this.#isOnline = false;
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(new ProgRockError("lost", "The connection was lost.", { retryable: true }));
    }
    this.#waiting.clear();
    this.#tell("offline", offline);
  }

  // --- what shall be watched --------------------------------------------------------------------

  /** @param {JobTarget | FeedTarget} target */
  #follow(target) {
    return new Promise((resolve, reject) => {
      const wish = this.#wish(target, resolve, reject);
      if (this.#isOnline) this.#ask(wish);
    });
  }

  /**
   * @param {JobTarget | FeedTarget} target
   * @param {(answer: any) => void} [resolve]
   * @param {(error: ProgRockError) => void} [reject]
   */
  #wish(target, resolve = () => {}, reject = () => {}) {
    const wish = { target, resolve, reject };
    this.#wishes.set(target.kind === "job" ? target.job : FEED, wish);
    return wish;
  }

  /** @param {Wish} wish */
  async #ask(wish) {
    const { target } = wish;
    try {
      wish.resolve(
        await this.#request(
          target.kind === "feed"
            ? { action: "watch", feed: FEED, filter: target.filter }
            : { action: "watch", job: target.job, after: target.after }, // undefined is not sent
        ),
      );
    } catch (error) {
      this.#notTaken(wish, /** @type {ProgRockError} */ (error));
    }
  }

  /**
   * @param {Wish} wish
   * @param {ProgRockError} error
   */
  #notTaken(wish, error) {
    if (error.code === "offline" || error.code === "lost") return; // asked again when connected
    if (error.retryable) {
      this.#connection.lose(1013, "a watch was not answered");
      return;
    }
    const key = wish.target.kind === "job" ? wish.target.job : FEED;
    if (this.#wishes.get(key) === wish) this.#wishes.delete(key);
    wish.reject(error);
    this.#tell("refused", error);
    if (error.code === "not_authenticated") this.#connection.lose(4401, error.message);
  }

  // --- frames -----------------------------------------------------------------------------------

  /** @param {any} frame */
  #receive(frame) {
    switch (frame.type) {
      case "hello":
        return this.#greet(frame);
      case "heartbeat":
        return undefined;
      case "watching":
        this.#begin(frame);
        this.#tell("watching", frame);
        return this.#answer(frame);
      case "started":
        this.#remember(frame.job, Math.max(frame.seq, this.#seen.get(frame.job) ?? 0));
        return this.#answer(frame);
      case "unwatched":
      case "ack":
      case "jobs":
      case "pong":
      case "error":
        return this.#answer(frame);
      default:
        return this.#happen(frame);
    }
  }

  /** @param {Hello} frame */
  #greet(frame) {
    const isNew = !this.#isOnline;
    this.#isOnline = true;
    this.#connection.greeted(frame.heartbeat);
    this.#tell("hello", frame);
    if (!isNew) return;
    this.#seen.clear();
    this.#tell("online");
    for (const wish of [...this.#wishes.values()]) this.#ask(wish);
  }

  /** @param {any} frame the answer to a watch: from which seq on are events new? */
  #begin(frame) {
    for (const { job, seq } of frame.jobs ?? []) {
      this.#remember(job, Math.max(seq, this.#seen.get(job) ?? 0));
    }
    if (!frame.job) return;
    const target = this.#wishes.get(frame.job)?.target;
    const asked = target?.kind === "job" ? target.after : undefined;
    this.#remember(frame.job, frame.recovered ? (asked ?? 0) : frame.seq);
  }

  /** @param {EventFrame} frame */
  #happen(frame) {
    if (typeof frame.job !== "string") return;
    if (frame.seq !== undefined) {
      if (frame.seq <= (this.#seen.get(frame.job) ?? 0)) return;
      this.#remember(frame.job, frame.seq);
    }
    this.#tell("event", frame);
  }

  /**
   * @param {string} job
   * @param {number} seq
   */
  #remember(job, seq) {
    this.#seen.delete(job); // and set again: the Map's order is that of the last news
    this.#seen.set(job, seq);
    if (this.#seen.size > SEEN_JOBS) {
      const oldest = this.#seen.keys().next().value;
      if (oldest !== undefined) this.#seen.delete(oldest);
    }
    const target = this.#wishes.get(job)?.target;
    if (target?.kind === "job") target.after = seq;
  }

  /**
   * @param {string} type
   * @param {unknown} [detail]
   */
  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
