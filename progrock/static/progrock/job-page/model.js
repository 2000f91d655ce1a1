// @ts-check
/** One job as its page knows it: snapshot, events, comments and watchers, kept the same as the server's. */

import { afterEvent, laterOf } from "../job.js";
import { EventLog } from "./event-log.js";
import { Refused } from "./site-api.js";

/** @typedef {import("../progrock.js").ProgRock} ProgRock */
/** @typedef {import("../progrock.js").ProgRockError} ProgRockError */
/** @typedef {import("../protocol.js").Comment} Comment */
/** @typedef {import("../protocol.js").EventFrame} EventFrame */
/** @typedef {import("../protocol.js").Hello} Hello */
/** @typedef {import("../protocol.js").Snapshot} Snapshot */
/** @typedef {import("../protocol.js").Watching} Watching */
/** @typedef {import("./event-log.js").KeptEvent} KeptEvent */
/** @typedef {import("./site-api.js").SiteApi} SiteApi */

/** @typedef {"loading" | "known" | "gone" | "refused"} Status `gone`: unknown by now */
/** @typedef {{ count: number, names: string[] }} Watchers */
/** @typedef {{ by: string | null, at: number }} EditMark `at` in milliseconds, of our clock */

const RANGE_STALE_MS = 5_000;
const RANGE_LOST_MS = 30_000;
const REFILL_MS = 10_000;
const MARKED_MS = 15_000;

export class JobModel {
  /** @type {Snapshot | null} */
  job = null;
  log = new EventLog();
  /** @type {Comment[]} */
  comments = [];
  /** @type {Watchers | null} */
  watchers = null;
  /** @type {Status} */
  status = "loading";
  /** Why it is gone or refused. */
  problem = "";
  /** Whether events are on their way that come before some of those that are here. */
  isFilling = true;
  /** Why those cannot be read; it is tried again. */
  fillProblem = "";
  /** @type {Map<string, EditMark>} by field: what others changed lately */
  marks = new Map();
  #id;
  #client;
  #api;
  #onChange;
  #connection = "";
  #aheadMs = Infinity; // how far our clock is ahead of the server's, at most
  #toldAt = 0; // when the present estimate came
  /** @type {{ low: number, high: number, at: number } | null} */
  #range = null;
  #rangeAskedAt = -Infinity;
  #filledTo = 0; // the seq up to which no event is missing that is still kept
  #fillFailedAt = 0;

  /**
   * @param {string} id of the job
   * @param {ProgRock} client
   * @param {SiteApi} api
   * @param {() => void} onChange
   */
  constructor(id, client, api, onChange) {
    this.#id = id;
    this.#client = client;
    this.#api = api;
    this.#onChange = onChange;
  }

  /** @param {Snapshot | null} known what the page was made with */
  begin(known) {
    const listen = (/** @type {string} */ type, /** @type {(detail: any) => void} */ take) =>
      this.#client.addEventListener(type, (event) => take(/** @type {CustomEvent} */ (event).detail));
    listen("hello", (/** @type {Hello} */ { connection }) => (this.#connection = connection));
    listen("event", (frame) => this.#take(frame));
    listen("watching", (told) => this.#begin(told));
    listen("refused", (error) => this.#refuse(error));
    listen("online", () => this.fillProblem && this.#fill());
    if (known) {
      this.#know(known);
      this.#fill();
    }
    this.#client.watch(this.#id, { after: known?.seq }).catch(() => {}); // told as `refused`
  }

  /** @returns {number} the server's time, in milliseconds since the epoch */
  get now() {
    return Date.now() - (Number.isFinite(this.#aheadMs) ? this.#aheadMs : 0);
  }

  /** @returns {{ seconds: number, low: number, high: number } | null} until it is done, as of now */
  get left() {
    const { job } = this;
    if (!job || job.complete || job.condition !== "ok" || job.eta === null) return null;
    const passed = (at = this.#toldAt) => (performance.now() - at) / 1000;
    const seconds = Math.max(job.eta - passed(), 0);
    const range = this.#range;
    if (!range || passed(range.at) * 1000 > RANGE_LOST_MS) return { seconds, low: seconds, high: seconds };
    const low = Math.min(Math.max(range.low - passed(range.at), 0), seconds);
    return { seconds, low, high: Math.max(range.high - passed(range.at), seconds) };
  }

  /**
   * Nothing more will come.
   * @param {string} reason
   */
  close(reason) {
    this.status = "refused";
    this.problem = reason;
    this.#onChange();
  }

  /** Forget marks of edits that are no news any more, and try again to read what could not be. */
  settle() {
    if (this.fillProblem && performance.now() - this.#fillFailedAt > REFILL_MS) this.#fill();
    for (const [field, { at }] of this.marks) {
      if (Date.now() - at > MARKED_MS) this.marks.delete(field);
    }
  }

  /** @param {Watching} told */
  #begin({ job, snapshot }) {
    if (job !== this.#id || !snapshot) return;
    if (!this.isFilling) this.#filledTo = this.log.last;
    this.#know(laterOf(this.job ?? undefined, snapshot));
    this.#fill();
  }

  /** @param {EventFrame} frame */
  #take(frame) {
    if (frame.job !== this.#id) return;
    if (frame.type === "presence") {
      this.watchers = /** @type {EventFrame & { watchers: Watchers }} */ (frame).watchers;
      this.#onChange();
      return;
    }
    this.#aheadMs = Math.min(this.#aheadMs, Date.now() - Date.parse(frame.at));
    const added = this.log.add([frame]);
    if (this.job) this.job = afterEvent(this.job, frame);
    this.#toldAt = performance.now();
    for (const event of added) this.#note(event);
    if (frame.eta !== null && !frame.complete) this.#askForRange();
    this.#onChange();
  }

  /** @param {KeptEvent} event */
  #note({ type, comment, set, by, by_connection: connection }) {
    if (type === "comment" && comment) this.#say([comment]);
    if (type === "edited" && connection !== this.#connection) {
      for (const field of Object.keys(set ?? {})) this.marks.set(field, { by: by ?? null, at: Date.now() });
    }
  }

  /** @param {Snapshot} job */
  #know(job) {
    this.job = job;
    this.status = "known";
    this.problem = "";
    this.#toldAt = performance.now();
    this.#keepRange(job);
    this.watchers ??= job.watchers === null ? null : { count: job.watchers, names: [] };
    this.#onChange();
  }

  /** Read what came before, and what was said: by HTTP, whatever the live connection brings. */
  async #fill() {
    this.isFilling = true;
    this.fillProblem = "";
    try {
      for await (const { events, recovered } of this.#api.events(this.#filledTo)) {
        if (!recovered) this.log.isCut = true;
        this.log.add(events);
      }
      this.#say(await this.#api.comments());
      this.isFilling = false;
    } catch (error) {
      this.fillProblem = `What happened before cannot be read now. ${/** @type {Error} */ (error).message}`;
      this.#fillFailedAt = performance.now();
    }
    this.#onChange();
  }

  /** @param {Comment[]} said */
  #say(said) {
    const known = new Map(this.comments.map((comment) => [comment.id, comment]));
    for (const comment of said) known.set(comment.id, comment);
    this.comments = [...known.values()].sort((one, other) => Number(one.id) - Number(other.id));
  }

  /** @param {ProgRockError} error */
  #refuse({ code, message, job }) {
    if (job !== undefined && job !== this.#id) return;
    if (code === "unknown_job") this.status = "gone";
    else if (code === "not_authenticated") this.status = "refused";
    this.problem = message;
    this.#onChange();
  }

  /** Events tell the estimate without its range: ask for that, and not too often. */
  async #askForRange() {
    const now = performance.now();
    if (now - this.#rangeAskedAt < RANGE_STALE_MS || document.hidden) return;
    this.#rangeAskedAt = now;
    try {
      this.#keepRange(await this.#api.snapshot());
    } catch (error) {
      if (!(error instanceof Refused) && !(error instanceof TypeError)) throw error;
    }
  }

  /** @param {Snapshot} job */
  #keepRange({ eta_range: range }) {
    this.#rangeAskedAt = performance.now();
    this.#range = range && { low: range[0], high: range[1], at: performance.now() };
  }
}
