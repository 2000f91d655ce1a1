// @ts-check
/** One job in the list: takes an element that the template made, and keeps it up to date. */

import { drawBar } from "./bar.js";
import { find, setAttribute, showText } from "./dom.js";
import {
  CONDITION_WORDS,
  STATE_WORDS,
  amountText,
  durationText,
  etaText,
  momentText,
  percentText,
} from "./format.js";
import { resultNodes } from "./result.js";

/** @typedef {import("./protocol.js").Snapshot} Snapshot */

export class JobRow {
  element;
  #title;
  #state;
  #bar;
  #fill;
  #percent;
  #message;
  #amount;
  #eta;
  #condition;
  #backend;
  #created;
  #duration;
  #error;
  #result;
  #cancel;
  #notice;
  /** @type {Snapshot | null} */
  #job = null;
  #toldAt = 0; // when the present estimate came, in milliseconds since the page was opened
  #shownResult = "null";
  #isAsking = false;

  /**
   * @param {HTMLElement} element
   * @param {(job: string) => Promise<void>} cancel rejects with the reason
   */
  constructor(element, cancel) {
    const part = (/** @type {string} */ name) =>
      find(element, `[data-part="${name}"]`, HTMLElement);
    this.element = element;
    this.#title = find(element, '[data-part="title"]', HTMLAnchorElement);
    this.#state = part("state");
    this.#bar = part("bar");
    this.#fill = find(element, '[data-part="fill"]', SVGElement);
    this.#percent = part("percent");
    this.#message = part("message");
    this.#amount = part("amount");
    this.#eta = part("eta");
    this.#condition = part("condition");
    this.#backend = part("backend");
    this.#created = find(element, '[data-part="created"]', HTMLTimeElement);
    this.#duration = part("duration");
    this.#error = part("error");
    this.#result = part("result");
    this.#cancel = find(element, '[data-part="cancel"]', HTMLButtonElement);
    this.#notice = part("notice");
    this.#cancel.addEventListener("click", () => this.#askToCancel(cancel));
  }

  /**
   * Show a job.
   * @param {Snapshot} job
   * @param {string} backendTitle
   */
  update(job, backendTitle) {
    if (job.eta !== this.#job?.eta || job.seq !== this.#job?.seq) this.#toldAt = performance.now();
    this.#job = job;
    this.element.dataset.job = job.job;
    this.element.dataset.state = job.state;
    this.element.dataset.condition = job.condition;
    showText(this.#title, job.title);
    setAttribute(this.#title, "href", `/jobs/${job.job}`);
    showText(this.#state, STATE_WORDS[job.state]);
    drawBar(this.#bar, this.#fill, job);
    this.#percent.textContent = percentText(job.progress);
    const reason = job.error?.message ?? "";
    showText(this.#error, job.state === "cancelled" ? "" : reason);
    showText(this.#message, job.message === reason ? "" : (job.message ?? ""));
    setAttribute(this.#message, "title", job.message);
    showText(this.#amount, amountText(job.current, job.total, job.unit));
    showText(this.#condition, job.complete ? "" : CONDITION_WORDS[job.condition]);
    showText(this.#backend, backendTitle);
    const created = new Date(job.created);
    showText(this.#created, momentText(created));
    setAttribute(this.#created, "datetime", job.created);
    setAttribute(this.#created, "title", created.toLocaleString());
    this.#drawCancel(job);
    this.#drawResult(job);
  }

  /**
   * Show what passes with time alone.
   * @param {number} now the server's time, in milliseconds since the epoch
   */
  tick(now) {
    const job = this.#job;
    if (!job) return;
    const isCertain = !job.complete && job.condition === "ok" && job.eta !== null;
    const waited = (performance.now() - this.#toldAt) / 1000;
    showText(this.#eta, isCertain ? etaText(Math.max(Number(job.eta) - waited, 0)) : "");
    const end = job.finished ? Date.parse(job.finished) : now;
    const seconds = job.started ? (end - Date.parse(job.started)) / 1000 : null;
    const length = seconds === null ? "" : durationText(seconds);
    showText(this.#duration, job.complete && length ? `took ${length}` : length);
  }

  /** @param {Snapshot} job */
  #drawCancel(job) {
    const isCancelling = job.state === "cancelling";
    const isOffered = isCancelling || job.can.includes("cancel");
    if (!isOffered && document.activeElement === this.#cancel) this.#title.focus();
    this.#cancel.hidden = !isOffered;
    const isBusy = isCancelling || this.#isAsking;
    setAttribute(this.#cancel, "aria-disabled", isBusy ? "true" : null);
    showText(this.#cancel, isBusy ? "Cancelling…" : "Cancel");
    this.#cancel.hidden = !isOffered;
    setAttribute(this.#cancel, "aria-label", `${isBusy ? "Cancelling" : "Cancel"} ${job.title}`);
    if (job.complete) showText(this.#notice, "");
  }

  /** @param {Snapshot} job */
  #drawResult(job) {
    const text = JSON.stringify(job.result ?? null);
    if (text === this.#shownResult) return;
    this.#shownResult = text;
    const nodes = resultNodes(job);
    this.#result.replaceChildren(...nodes);
    this.#result.hidden = nodes.length === 0;
  }

  /** @param {(job: string) => Promise<void>} cancel */
  async #askToCancel(cancel) {
    const job = this.#job;
    if (!job || this.#isAsking || !job.can.includes("cancel")) return;
    this.#isAsking = true;
    this.#drawCancel(job);
    try {
      await cancel(job.job);
      showText(this.#notice, "");
    } catch (error) {
      showText(this.#notice, error instanceof Error ? error.message : String(error));
    } finally {
      this.#isAsking = false;
      this.#drawCancel(this.#job ?? job);
    }
  }
}
