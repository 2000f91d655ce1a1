// @ts-check
/** The form that starts a job: choose a backend, fill its fields, send, and keep what was typed. */

import { find, showText } from "./dom.js";
import { ProgRockError } from "./progrock.js";
import { SchemaForm } from "./schema-form.js";

/** @typedef {import("./progrock.js").ProgRock} ProgRock */
/** @typedef {import("./protocol.js").Snapshot} Snapshot */
/** @typedef {import("./schema-form.js").ParamsSchema} ParamsSchema */
/** @typedef {import("./schema-form.js").Problem} Problem */

/** @typedef {{ name: string, title: string, description: string, default: boolean, params: ParamsSchema }} Backend */

const NOT_SENT = "Not connected. Nothing was sent: try again when the connection is back.";
const NO_ANSWER =
  "The connection was lost before the answer came. Press Start again: it will not start twice.";

export class StartForm {
  #form;
  #client;
  #backends;
  #onStarted;
  #backend;
  #description;
  #fields;
  #details;
  #title;
  #button;
  #alert;
  /** @type {SchemaForm} */
  #params;
  #isSending = false;
  #attempt = { content: "", key: "" };

  /**
   * @param {HTMLFormElement} form
   * @param {ProgRock} client
   * @param {Backend[]} backends
   * @param {(job: Snapshot) => void} onStarted
   */
  constructor(form, client, backends, onStarted) {
    this.#form = form;
    this.#client = client;
    this.#backends = backends;
    this.#onStarted = onStarted;
    this.#backend = find(form, '[name="backend"]', HTMLSelectElement);
    this.#title = find(form, '[name="title"]', HTMLInputElement);
    this.#description = find(form, '[data-part="description"]', HTMLElement);
    this.#fields = find(form, '[data-part="params"]', HTMLElement);
    this.#details = find(form, "details", HTMLDetailsElement);
    this.#button = find(form, '[type="submit"]', HTMLButtonElement);
    this.#alert = find(form, '[data-part="alert"]', HTMLElement);
    this.#params = this.#draw();
    this.#backend.addEventListener("change", () => (this.#params = this.#draw()));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    client.addEventListener("online", () => {
      if (this.#alert.textContent === NOT_SENT) showText(this.#alert, "");
    });
  }

  #draw() {
    const backend = this.#backends.find(({ name }) => name === this.#backend.value);
    const params = new SchemaForm(this.#fields, backend?.params ?? {});
    this.#description.textContent = backend?.description ?? "";
    this.#details.hidden = params.size === 0;
    if (backend?.params.required?.length) this.#details.open = true;
    showText(this.#alert, "");
    return params;
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
    const content = JSON.stringify([this.#backend.value, params, title]);
    this.#setSending(true);
    try {
      const { snapshot } = await this.#client.start(this.#backend.value, params, {
        key: this.#keyFor(content),
        ...(title ? { title } : {}),
      });
      this.#attempt = { content: "", key: "" };
      if (this.#title.value.trim() === title) this.#title.value = ""; // else the next one's already
      this.#onStarted(snapshot);
    } catch (error) {
      this.#explain(error);
    } finally {
      this.#setSending(false);
    }
  }

  /**
   * Return the key of this content: the same again until an answer came, so that a repetition
   * after a lost connection does not start a second job.
   * @param {string} content
   */
  #keyFor(content) {
    if (this.#attempt.content !== content) {
      const bytes = crypto.getRandomValues(new Uint8Array(16));
      const key = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
      this.#attempt = { content, key };
    }
    return this.#attempt.key;
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
    this.#details.open = true; // a field in a closed one cannot take the focus
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
