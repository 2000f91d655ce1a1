// @ts-check
/** The filters above the list. They are a form and links that work without JavaScript, too. */

import { find } from "../dom.js";
import { addressOf, readWanted } from "./filter.js";

/** @typedef {import("./filter.js").Wanted} Wanted */

export class Toolbar {
  #form;
  #search;
  #backend;
  #mine;
  #label;
  #states;
  #onWant;
  #isTyping = false;
  /** @type {Wanted} */
  wanted = readWanted(location.search);

  /**
   * @param {HTMLFormElement} form
   * @param {(wanted: Wanted) => void} onWant what is wanted is another
   */
  constructor(form, onWant) {
    this.#form = form;
    this.#onWant = onWant;
    this.#search = find(form, '[name="q"]', HTMLInputElement);
    this.#backend = find(form, '[name="backend"]', HTMLSelectElement);
    this.#mine = form.querySelector('[name="mine"]');
    this.#label = find(form, "[data-part=label]", HTMLAnchorElement);
    this.#states = [...form.querySelectorAll("a[data-state-group]")];
    this.#search.addEventListener("input", () => this.#typed());
    this.#search.addEventListener("blur", () => (this.#isTyping = false));
    form.addEventListener("change", ({ target }) => target !== this.#search && this.#chosen());
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("click", (event) => this.#pressed(event));
    addEventListener("popstate", () => this.#take(readWanted(location.search)));
    this.#draw();
  }

  /** Let the next keys go into the search. */
  focusSearch() {
    this.#search.focus();
    this.#search.select();
  }

  /**
   * Show other jobs; the page before is one step back.
   * @param {Partial<Wanted>} change
   */
  want(change) {
    const wanted = { ...this.wanted, ...change };
    if (addressOf(wanted) === addressOf(this.wanted)) return;
    history.pushState(null, "", addressOf(wanted));
    this.#take(wanted);
  }

  #typed() {
    const q = this.#search.value.trim();
    if (!this.#isTyping) this.want({ q });
    else {
      const wanted = { ...this.wanted, q };
      history.replaceState(null, "", addressOf(wanted)); // one step back for all that was typed
      this.#take(wanted);
    }
    this.#isTyping = true;
  }

  #chosen() {
    const mine = this.#mine instanceof HTMLInputElement && this.#mine.checked;
    this.want({ backend: this.#backend.value, mine });
  }

  /** @param {MouseEvent} event */
  #pressed(event) {
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    const { stateGroup } = link.dataset;
    this.want(stateGroup === undefined ? { label: "" } : { state: stateGroup });
  }

  /** @param {Wanted} wanted */
  #take(wanted) {
    this.wanted = wanted;
    this.#draw();
    this.#onWant(wanted);
  }

  #draw() {
    const { state, backend, label, mine, q } = this.wanted;
    if (this.#search.value.trim() !== q) this.#search.value = q;
    this.#backend.value = backend;
    if (this.#mine instanceof HTMLInputElement) this.#mine.checked = mine;
    this.#label.hidden = !label;
    find(this.#label, "[data-part=label-name]", HTMLElement).textContent = label;
    this.#label.href = addressOf({ ...this.wanted, label: "" });
    for (const link of this.#states) {
      if (!(link instanceof HTMLAnchorElement)) continue;
      const group = link.dataset.stateGroup ?? "";
      link.href = addressOf({ ...this.wanted, state: group });
      if (group === state) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  }
}
