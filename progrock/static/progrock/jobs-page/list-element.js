// @ts-check
/** <job-list>: the rows that are in sight, of as many jobs as there are. */

import { LitElement, guard, html, nothing, repeat } from "../vendor/lit.js";
import { rowContent } from "./row.js";

/** @typedef {import("../protocol.js").Snapshot} Snapshot */
/** @typedef {import("./row.js").RowView} RowView */
/** @typedef {import("./store.js").JobStore} JobStore */

const BEYOND = 6; // rows that are drawn above and below what is in sight
const NEAR_THE_END = 30; // rows from which on more are asked for
const PRINTED = 500; // rows at most

/**
 * Every row has the same height, `--row`, and stands where its place in the order says; the page
 * scrolls. Tells `near-end` when the last rows come into sight, and `current` when another row has
 * the focus.
 */
export class JobListElement extends LitElement {
  /** @type {JobStore} set before it is connected */
  store;
  /** @type {(job: Snapshot) => Omit<RowView, "now" | "waited">} what the page knows of a row */
  viewOf;
  /** @type {string | null} the job whose row has, or last had, the focus */
  current = null;
  /** @type {Set<string>} */
  selected = new Set();

  #rowHeight = 64;
  #isMeasured = false;
  #first = 0;
  #last = 0;
  #tick = 0;
  #printed = 0; // rows, while the page is printed
  #timer = 0;
  #ending = new AbortController();
  /** @type {HTMLElement | null} */
  #focused = null;

  constructor() {
    super();
    this.store = /** @type {any} */ (null);
    this.viewOf = /** @type {any} */ (null);
  }

  createRenderRoot() {
    return this; // the page's own styles are for it
  }

  connectedCallback() {
    super.connectedCallback();
    this.#ending = new AbortController();
    const options = { signal: this.#ending.signal, passive: true };
    const look = () => this.#look() && this.requestUpdate();
    this.store.addEventListener("change", () => this.#changed(), options);
    addEventListener("scroll", look, options);
    addEventListener("resize", () => this.#measure(), options);
    addEventListener("beforeprint", () => this.#print(PRINTED), options);
    addEventListener("afterprint", () => this.#print(0), options);
    this.addEventListener("focusin", (event) => this.#focusedIn(event), options);
    this.#timer = setInterval(() => this.#pass(), 1000);
    this.#changed();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.#ending.abort();
    clearInterval(this.#timer);
  }

  /**
   * Bring a job's row into sight and give it the focus.
   * @param {string} job
   */
  async reveal(job) {
    const index = this.store.indexOf(job);
    if (index < 0) return;
    this.current = job;
    const top = this.getBoundingClientRect().top + scrollY + index * this.#rowHeight;
    const style = getComputedStyle(document.documentElement);
    const above = parseFloat(style.scrollPaddingTop) || 0;
    const below = parseFloat(style.scrollPaddingBottom) || 0;
    if (top - above < scrollY) scrollTo(0, top - above);
    else if (top + this.#rowHeight + below > scrollY + innerHeight) {
      scrollTo(0, top + this.#rowHeight + below - innerHeight);
    }
    this.#look();
    this.requestUpdate();
    await this.updateComplete;
    /** @type {HTMLElement | null} */
    const title = this.querySelector(`[data-job="${CSS.escape(job)}"] .job-title`);
    title?.focus({ preventScroll: true });
  }

  /**
   * Give the focus to the next row, or the one before.
   * @param {1 | -1} step
   */
  move(step) {
    const { shown } = this.store;
    const at = this.current === null ? -1 : this.store.indexOf(this.current);
    const to = at < 0 ? this.#first + (this.#first > 0 ? BEYOND : 0) : at + step;
    const job = shown[Math.min(Math.max(to, 0), shown.length - 1)];
    if (job) this.reveal(job.job);
  }

  render() {
    const { shown, now } = this.store;
    const rows = [];
    for (let index = this.#first; index < this.#last; index += 1) rows.push(index);
    const kept = this.#focused ? this.store.indexOf(this.current ?? "") : -1;
    if (kept >= this.#last) rows.push(kept);
    else if (kept >= 0 && kept < this.#first) rows.unshift(kept);
    return html`<ol class="rows" .style=${`--rows: ${shown.length}`}>
      ${repeat(
        rows.filter((index) => shown[index]),
        (index) => shown[index].job,
        (index) => this.#row(shown[index], index, now),
      )}
    </ol>`;
  }

  /** @param {Map<PropertyKey, unknown>} changed */
  willUpdate(changed) {
    super.willUpdate(changed);
    const { activeElement } = document;
    const isWithin = activeElement instanceof HTMLElement && this.contains(activeElement);
    this.#focused = isWithin ? activeElement : null;
  }

  /** @param {Map<PropertyKey, unknown>} changed */
  updated(changed) {
    super.updated(changed);
    if (!this.#isMeasured) this.#measure();
    const focused = this.#focused;
    if (!focused || focused === document.activeElement) return;
    // A row that was moved has lost the focus, and so has a button that is not offered any more.
    const row = this.querySelector(`[data-job="${CSS.escape(this.current ?? "")}"]`);
    /** @type {HTMLElement | null | undefined} */
    const target = focused.isConnected ? focused : row?.querySelector(".job-title");
    target?.focus({ preventScroll: true });
  }

  /**
   * @param {Snapshot} job
   * @param {number} index
   * @param {number} now
   */
  #row(job, index, now) {
    const view = this.viewOf(job);
    const { isSelected, isBusy, isAwaited, notice, mark, backend } = view;
    const waited = this.store.secondsSince(job);
    const known = [job, isSelected, isBusy, isAwaited, notice, mark, backend, this.#tick];
    return html`<li class="row" data-job=${job.job} data-state=${job.state}
      data-condition=${job.complete ? "ok" : job.condition} .style=${`--index: ${index}`}
      aria-posinset=${index + 1} aria-setsize=${this.store.shown.length}
      aria-current=${this.current === job.job ? "true" : nothing}
      ?data-selected=${isSelected}
      >${guard(known, () => rowContent(job, { ...view, now, waited }))}</li>`;
  }

  #changed() {
    this.#look();
    this.requestUpdate();
  }

  /** Let a second pass in what depends on time. */
  #pass() {
    if (document.hidden) return;
    this.#tick += 1;
    this.requestUpdate();
  }

  /** See which rows are in sight; true where they are others than before. */
  #look() {
    const { length } = this.store.shown;
    const above = this.#printed ? 0 : -this.getBoundingClientRect().top;
    const first = Math.max(Math.floor(above / this.#rowHeight) - BEYOND, 0);
    const seen = Math.max(Math.ceil(innerHeight / this.#rowHeight) + 1, this.#printed);
    const last = Math.min(Math.max(Math.floor(above / this.#rowHeight), 0) + seen + BEYOND, length);
    if (last > length - NEAR_THE_END) this.dispatchEvent(new Event("near-end"));
    if (first === this.#first && last === this.#last) return false;
    this.#first = Math.min(first, Math.max(length - 1, 0));
    this.#last = last;
    return true;
  }

  /** @param {number} rows to be drawn at least, at once: the print begins thereafter */
  #print(rows) {
    this.#printed = rows;
    this.#look();
    this.requestUpdate();
    this.performUpdate();
  }

  #measure() {
    const row = this.querySelector(".row");
    const height = row?.getBoundingClientRect().height;
    if (!height) return;
    this.#isMeasured = true;
    if (Math.abs(height - this.#rowHeight) < 0.01) return;
    this.#rowHeight = height;
    this.#changed();
  }

  /** @param {FocusEvent} event */
  #focusedIn({ target }) {
    const row = target instanceof Element ? target.closest("[data-job]") : null;
    if (!(row instanceof HTMLElement) || row.dataset.job === this.current) return;
    this.current = row.dataset.job ?? null;
    this.requestUpdate();
  }
}

customElements.define("job-list", JobListElement);
