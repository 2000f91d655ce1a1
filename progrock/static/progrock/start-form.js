// @ts-check
/** The form that starts a job: choose a backend, fill its fields, send, and keep what was typed. */

import { Attempt } from "./attempt.js";
import { find, showText } from "./dom.js";
import { recalled, remember } from "./form/memory.js";
import { ProgRockError } from "./progrock.js";
import { SchemaForm } from "./schema-form.js";

/** @typedef {import("./progrock.js").ProgRock} ProgRock */
/** @typedef {import("./protocol.js").Snapshot} Snapshot */
/** @typedef {import("./schema-form.js").ParamsSchema} ParamsSchema */
/** @typedef {import("./schema-form.js").Problem} Problem */

/** @typedef {{ name: string, title: string, description: string, default: boolean, condition?: string, params: ParamsSchema }} Backend */
/** @typedef {{ backend: string, title: string, params: Record<string, unknown> }} Filled */

/**
 * @typedef {object} Options
 * @property {boolean} [hasMemory] whether what was sent last is filled in
 * @property {string} [retryOf] the job that is started once more
 * @property {(isRecalled: boolean) => void} [onDraw] after the fields were drawn anew
 * @property {(sentence: string) => void} [tell] something to those who do not see the page
 */

const NOT_SENT = "Not connected. Nothing was sent: try again when the connection is back.";
const NO_ANSWER =
  "The connection was lost before the answer came. Press Start again: it will not start twice.";

export class StartForm {
  #form;
  #client;
  #backends;
  #onStarted;
  #options;
  #backend;
  #description;
  #fields;
  #title;
  #button;
  #alert;
  /** @type {SchemaForm} */
  #params;
  #isSending = false;
  #attempt = new Attempt();

  /**
   * @param {HTMLFormElement} form
   * @param {ProgRock} client
   * @param {Backend[]} backends
   * @param {(job: Snapshot) => void} onStarted
   * @param {Options} [options]
   */
  constructor(form, client, backends, onStarted, options = {}) {
    this.#form = form;
    this.#client = client;
    this.#backends = backends;
    this.#onStarted = onStarted;
    this.#options = options;
    this.#backend = find(form, '[name="backend"]', HTMLSelectElement);
    this.#title = find(form, '[name="title"]', HTMLInputElement);
    this.#description = find(form, '[data-part="description"]', HTMLElement);
    this.#fields = find(form, '[data-part="params"]', HTMLElement);
    this.#button = find(form, '[type="submit"]', HTMLButtonElement);
    this.#alert = find(form, '[data-part="alert"]', HTMLElement);
    this.#params = this.#draw();
    this.#recall();
    this.#backend.addEventListener("change", () => {
      this.#params = this.#draw();
      this.#recall();
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    client.addEventListener("online", () => {
      if (this.#alert.textContent === NOT_SENT) showText(this.#alert, "");
    });
  }

  /** What is filled in now, right or wrong. */
  get filled() {
    const { params } = this.#params.read();
    return { backend: this.#backend.value, title: this.#title.value.trim(), params };
  }

  /** The chosen backend; undefined only where there is none at all. */
  get backend() {
    return this.#backends.find(({ name }) => name === this.#backend.value);
  }

  /**
   * Fill the form anew: the defaults, and over them what is given.
   * @param {Partial<Filled>} filled
   */
  fill({ backend, title, params = {} }) {
    if (backend !== undefined) this.#backend.value = backend;
    if (title !== undefined) this.#title.value = title;
    this.#params = this.#draw();
    this.#params.write(params);
    this.#options.onDraw?.(false);
  }

  #draw() {
    const { backend } = this;
    const params = new SchemaForm(this.#fields, backend?.params ?? {}, this.#options.tell);
    this.#description.textContent = backend?.description ?? "";
    showText(this.#alert, "");
    return params;
  }

  #recall() {
    const { backend } = this;
    const last = this.#options.hasMemory && backend ? recalled(backend.name) : null;
    if (last) this.#params.write(last);
    this.#options.onDraw?.(last !== null && last !== undefined);
  }

  async #send() {
    if (this.#isSending) return;
    showText(this.#alert, "");
    const { params, problems } = this.#params.read();
    if (problems.length) {
      this.#showProblems(problems);
      return;
    }
    this.#params.show([]);
    const title = this.#title.value.trim();
    this.#setSending(true);
    try {
      const { snapshot } = await this.#begin(params, title);
      const { backend } = this;
      if (this.#options.hasMemory && backend) remember(backend.name, params, backend.params);
      this.#attempt.end();
      if (this.#title.value.trim() === title) this.#title.value = ""; // else the next one's already
      this.#onStarted(snapshot);
    } catch (error) {
      this.#explain(error);
    } finally {
      this.#setSending(false);
    }
  }

  /**
   * @param {Record<string, unknown>} params
   * @param {string} title
   */
  #begin(params, title) {
    const { retryOf } = this.#options;
    const key = this.#attempt.keyFor(JSON.stringify([this.#backend.value, params, title, retryOf]));
    const named = { key, ...(title ? { title } : {}) };
    if (retryOf) return this.#client.retry(retryOf, { params, replace: true, ...named });
    return this.#client.start(this.#backend.value, params, named);
  }

  /** @param {unknown} error */
  #explain(error) {
    if (!(error instanceof ProgRockError)) throw error;
    if (error.code === "bad_params" && Array.isArray(error.details)) {
      this.#showProblems(error.details);
    } else if (error.code === "offline") {
      showText(this.#alert, NOT_SENT);
    } else if (error.code === "lost" || error.code === "timeout") {
      showText(this.#alert, NO_ANSWER);
    } else {
      showText(this.#alert, error.message);
    }
  }

  /** @param {Problem[]} problems */
  #showProblems(problems) {
    const unplaced = this.#params.show(problems);
    showText(this.#alert, unplaced.map(({ message }) => message).join(" "));
  }

  /** @param {boolean} isSending */
  #setSending(isSending) {
    this.#isSending = isSending;
    this.#form.setAttribute("aria-busy", String(isSending));
    this.#button.setAttribute("aria-disabled", String(isSending)); // disabled would lose the focus
    this.#button.textContent = isSending ? "Starting…" : "Start";
  }
}
