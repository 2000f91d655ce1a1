// @ts-check
/** All jobs that the page knows, and those of them that are shown, in order. */

import { afterEvent, laterOf } from "../job.js";
import { isWanted } from "./filter.js";
import { orderAt, placeOf } from "./order.js";

/** @typedef {import("../protocol.js").EventFrame} EventFrame */
/** @typedef {import("../protocol.js").Snapshot} Snapshot */
/** @typedef {import("./filter.js").Wanted} Wanted */

const PAUSE_MS = 100; // changes are told ten times a second at most
const REORDER_MS = 60_000; // what failed lately did so long ago, at last

/**
 * Tells `change` when what it holds is another, gathered; and `end` with a job that was seen at
 * work and is no more.
 */
export class JobStore extends EventTarget {
  /** @type {Map<string, Snapshot>} */
  #jobs = new Map();
  /** @type {Snapshot[]} those that are wanted, in order */
  #shown = [];
  #compare = orderAt(Date.now());
  #orderedAt = Date.now();
  /** @type {Wanted} */
  #wanted;
  #toldAt = -Infinity;
  #timer = 0;
  #aheadMs = Infinity; // how far our clock is ahead of the server's, at most
  /** @type {WeakMap<Snapshot, number>} when each was told, in milliseconds since the page opened */
  #cameAt = new WeakMap();

  /** @type {string | null} the name of who looks */
  user;

  /**
   * @param {Wanted} wanted
   * @param {string | null} user
   */
  constructor(wanted, user) {
    super();
    this.#wanted = wanted;
    this.user = user;
  }

  /** @returns {ReadonlyMap<string, Snapshot>} by job */
  get jobs() {
    return this.#jobs;
  }

  /** @returns {readonly Snapshot[]} */
  get shown() {
    return this.#shown;
  }

  get wanted() {
    return this.#wanted;
  }

  set wanted(wanted) {
    this.#wanted = wanted;
    this.#reorder();
  }

  /** The server's time, in milliseconds since the epoch. */
  get now() {
    return Date.now() - (Number.isFinite(this.#aheadMs) ? this.#aheadMs : 0);
  }

  /**
   * Return how long ago a job's present figures came, in seconds.
   * @param {Snapshot} job
   */
  secondsSince(job) {
    return (performance.now() - (this.#cameAt.get(job) ?? performance.now())) / 1000;
  }

  /**
   * Return where a job is shown; -1 where it is not.
   * @param {string} id
   */
  indexOf(id) {
    const job = this.#jobs.get(id);
    if (!job) return -1;
    const index = placeOf(this.#shown, job, this.#compare);
    return this.#shown[index]?.job === id ? index : -1;
  }

  /**
   * Take snapshots in; what is known better stays.
   * @param {Iterable<Snapshot>} snapshots
   */
  put(snapshots) {
    for (const told of snapshots) this.#set(laterOf(this.#jobs.get(told.job), told));
    this.#changed();
  }

  /**
   * Take an event in.
   * @param {EventFrame} frame
   * @returns {boolean} false for a job that is not known
   */
  apply(frame) {
    this.#aheadMs = Math.min(this.#aheadMs, Date.now() - Date.parse(frame.at));
    const known = this.#jobs.get(frame.job);
    if (!known) return false;
    this.#set(afterEvent(known, frame));
    this.#changed();
    return true;
  }

  /**
   * Forget jobs.
   * @param {Iterable<string>} ids
   */
  remove(ids) {
    for (const id of ids) {
      this.#hide(this.#jobs.get(id));
      this.#jobs.delete(id);
    }
    this.#changed();
  }

  /** @param {Snapshot} job */
  #set(job) {
    const before = this.#jobs.get(job.job);
    if (job === before) return;
    this.#cameAt.set(job, performance.now());
    this.#hide(before);
    this.#jobs.set(job.job, job);
    if (isWanted(this.#wanted, job, this.user)) {
      this.#shown.splice(placeOf(this.#shown, job, this.#compare), 0, job);
    }
    if (before && !before.complete && job.complete) {
      this.dispatchEvent(new CustomEvent("end", { detail: job }));
    }
  }

  /** @param {Snapshot | undefined} job */
  #hide(job) {
    if (!job) return;
    const index = placeOf(this.#shown, job, this.#compare);
    if (this.#shown[index]?.job === job.job) this.#shown.splice(index, 1);
  }

  #reorder() {
    this.#orderedAt = Date.now();
    this.#compare = orderAt(this.now);
    const wanted = [...this.#jobs.values()].filter((job) => isWanted(this.#wanted, job, this.user));
    this.#shown = wanted.sort(this.#compare);
    this.#changed();
  }

  #changed() {
    if (this.#timer) return;
    const pause = this.#toldAt + PAUSE_MS - performance.now();
    this.#timer = setTimeout(() => this.#tell(), Math.max(pause, 0));
  }

  #tell() {
    this.#timer = 0;
    this.#toldAt = performance.now();
    if (Date.now() - this.#orderedAt > REORDER_MS) this.#reorder();
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.dispatchEvent(new Event("change"));
  }
}
