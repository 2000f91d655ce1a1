// @ts-check
/** The jobs that are selected, and the bar that does one thing with all of them. */

import { consent } from "../dialog.js";
import { html, nothing, render } from "../vendor/lit.js";

/** @typedef {import("./actions.js").Asked} Asked */
/** @typedef {import("./actions.js").JobActions} JobActions */
/** @typedef {import("./store.js").JobStore} JobStore */

const DONE = { cancel: "asked to stop", retry: "started again" };

/** Tells `change` when other jobs are selected. */
export class Selection extends EventTarget {
  #bar;
  #store;
  #actions;
  /** @type {Set<string>} */
  #jobs = new Set();
  #told = "";
  #isWorking = false;

  /**
   * @param {HTMLElement} bar
   * @param {JobStore} store
   * @param {JobActions} actions
   */
  constructor(bar, store, actions) {
    super();
    this.#bar = bar;
    this.#store = store;
    this.#actions = actions;
    store.addEventListener("change", () => this.#draw());
  }

  /** @returns {ReadonlySet<string>} */
  get jobs() {
    return this.#jobs;
  }

  /** @param {string} job */
  toggle(job) {
    if (!this.#jobs.delete(job)) this.#jobs.add(job);
    this.#changed();
  }

  all() {
    for (const { job } of this.#store.shown) this.#jobs.add(job);
    this.#changed();
  }

  clear() {
    this.#jobs.clear();
    this.#changed();
  }

  #changed() {
    this.#told = "";
    this.#draw();
    this.dispatchEvent(new Event("change"));
  }

  #draw() {
    for (const job of this.#jobs) if (!this.#store.jobs.has(job)) this.#jobs.delete(job);
    const { size } = this.#jobs;
    this.#bar.hidden = size === 0;
    render(
      size === 0
        ? nothing
        : html`<p class="selection-count" role="status">${size} selected${this.#told && `: ${this.#told}`}</p>
            ${this.#button("cancel", "Cancel", "danger")} ${this.#button("retry", "Retry", "")}
            <button type="button" @click=${() => this.clear()}>Clear</button>`,
      this.#bar,
    );
  }

  /**
   * @param {Asked} asked
   * @param {string} word
   * @param {string} kind
   */
  #button(asked, word, kind) {
    const jobs = [...this.#jobs].filter((job) => this.#store.jobs.get(job)?.can.includes(asked));
    const isOff = jobs.length === 0 || this.#isWorking;
    return html`<button type="button" class=${kind} aria-disabled=${isOff ? "true" : nothing}
      @click=${() => !isOff && this.#ask(jobs, asked, word)}
      >${word} ${jobs.length || ""}</button>`;
  }

  /**
   * @param {string[]} jobs
   * @param {Asked} asked
   * @param {string} word
   */
  async #ask(jobs, asked, word) {
    const count = jobs.length === 1 ? "one job" : `${jobs.length} jobs`;
    const details =
      asked === "cancel"
        ? "What they have done so far may be lost. Those that end meanwhile stay as they are."
        : "Each is started again as a new job, with the same parameters.";
    if (!(await consent(`${word} ${count}?`, details, `${word} ${count}`))) return;
    this.#isWorking = true;
    this.#draw();
    const granted = await this.#actions.askAll(jobs, asked);
    this.#isWorking = false;
    const refused = jobs.length - granted;
    this.#told = `${granted} ${DONE[asked]}${refused ? `, ${refused} refused` : ""}`;
    this.#draw();
  }
}
