// @ts-check
/** The list of jobs: those that run first, the newest on top, each row live. */

import { JobRow } from "./job-row.js";
import { afterEvent, compareJobs, laterOf } from "./job.js";

/** @typedef {import("./protocol.js").EventFrame} EventFrame */
/** @typedef {import("./protocol.js").Snapshot} Snapshot */

/**
 * What a list needs to know and to tell.
 * @typedef {object} ListOptions
 * @property {HTMLElement} list the element that holds the rows
 * @property {HTMLTemplateElement} template one row
 * @property {Map<string, string>} backendTitles by name
 * @property {(job: string) => Promise<void>} cancel
 * @property {(job: Snapshot) => void} onEnd a job that was seen at work has ended
 * @property {() => void} onChange
 */

export class JobList {
  #options;
  /** @type {Map<string, Snapshot>} */
  #jobs = new Map();
  /** @type {Map<string, JobRow>} */
  #rows = new Map();
  #aheadMs = Infinity; // how far our clock is ahead of the server's, at most
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {ListOptions} options */
  constructor(options) {
    this.#options = options;
  }

  /** @returns {ReadonlyMap<string, Snapshot>} by job */
  get jobs() {
    return this.#jobs;
  }

  /**
   * Show snapshots; what is known better stays.
   * @param {Iterable<Snapshot>} snapshots
   */
  put(snapshots) {
    for (const told of snapshots) this.#set(laterOf(this.#jobs.get(told.job), told));
    this.#changed();
  }

  /**
   * Take an event in.
   * @param {EventFrame} frame
   * @returns {boolean} false for a job that is not in the list
   */
  apply(frame) {
    this.#aheadMs = Math.min(this.#aheadMs, Date.now() - Date.parse(frame.at));
    const known = this.#jobs.get(frame.job);
    if (!known) return false;
    const job = afterEvent(known, frame);
    if (job !== known) {
      this.#set(job);
      this.#changed();
    }
    return true;
  }

  /**
   * Take jobs out of the list.
   * @param {Iterable<string>} jobs
   */
  remove(jobs) {
    for (const job of jobs) {
      this.#rows.get(job)?.element.remove();
      this.#rows.delete(job);
      this.#jobs.delete(job);
    }
    this.#changed();
  }

  /**
   * Bring a job into sight.
   * @param {string} job
   */
  reveal(job) {
    this.#rows.get(job)?.element.scrollIntoView({ block: "nearest" });
  }

  /** @param {Snapshot} job */
  #set(job) {
    const before = this.#jobs.get(job.job);
    if (job === before) return;
    this.#jobs.set(job.job, job);
    const row = this.#rows.get(job.job) ?? this.#newRow(job.job);
    row.update(job, this.#options.backendTitles.get(job.backend) ?? job.backend);
    row.tick(this.#serverTime());
    if (!before || before.complete !== job.complete) this.#place(row.element, job);
    if (before && !before.complete && job.complete) this.#options.onEnd(job);
  }

  /** @param {string} job */
  #newRow(job) {
    const { list, template, cancel } = this.#options;
    const drawn = list.querySelector(`:scope > [data-job="${CSS.escape(job)}"]`);
    const element = drawn ?? template.content.firstElementChild?.cloneNode(true);
    if (!(element instanceof HTMLElement)) throw new Error("The template holds no row.");
    const row = new JobRow(element, cancel);
    this.#rows.set(job, row);
    return row;
  }

  /**
   * Put a row where it belongs. A row that stands right is left alone: moving it would take the
   * focus from it.
   * @param {HTMLElement} element
   * @param {Snapshot} job
   */
  #place(element, job) {
    const { list } = this.#options;
    const others = [...list.children].filter((other) => other !== element);
    const next = others.find((other) => {
      const its = this.#jobs.get(/** @type {HTMLElement} */ (other).dataset.job ?? "");
      return !its || compareJobs(job, its) < 0;
    });
    const isRight = element.parentElement === list && element.nextElementSibling === (next ?? null);
    if (isRight) return;
    const focused = element.contains(document.activeElement) ? document.activeElement : null;
    list.insertBefore(element, next ?? null);
    if (focused instanceof HTMLElement) focused.focus({ preventScroll: true });
  }

  #changed() {
    this.#options.onChange();
    this.#schedule();
  }

  /** Tick once a second, while anything runs. */
  #schedule() {
    if (this.#timer !== undefined) return;
    const isLive = [...this.#jobs.values()].some((job) => !job.complete);
    if (!isLive) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      const now = this.#serverTime();
      for (const [id, row] of this.#rows) if (!this.#jobs.get(id)?.complete) row.tick(now);
      this.#schedule();
    }, 1000);
  }

  #serverTime() {
    return Date.now() - (Number.isFinite(this.#aheadMs) ? this.#aheadMs : 0);
  }
}
