// @ts-check
/** `<progrock-start backend="…">`: a button that starts a job, and then its bar. */

import { Attempt } from "./attempt.js";
import { make, setAttribute, showText } from "./dom.js";
import { ProgRockError } from "./progrock.js";
import { ProgRockJobElement } from "./job-element.js";
import { sharedClient, sourceOf } from "./shared-client.js";

const PARTS = "job, head, title, state, bar, fill, foot, percent, message, eta, error, problem";
const STYLE = `
  :host { display: grid; gap: 0.6em; justify-items: start; min-inline-size: 0; }
  :host([hidden]), [hidden] { display: none !important; }
  progrock-job { justify-self: stretch; }
  button { font: inherit; padding: var(--progrock-padding, 0.4em 1em); max-inline-size: 100%; }
  [part="problem"] { margin: 0; overflow-wrap: anywhere; }
`;
const SHEET = new CSSStyleSheet();
SHEET.replaceSync(STYLE);

/**
 * Attributes: `backend`, the default one when left out; `params`, a JSON object; `job-title`;
 * `label` of the button; `src` and `token`, see ProgRockJobElement. Events, which bubble:
 * `progrock-started` with the snapshot as `detail`, `progrock-error` {message, details}, and those
 * of the job. What stands inside the element is what a page without scripts shows.
 */
export class ProgRockStartElement extends HTMLElement {
  static observedAttributes = ["label"];

  #button = make("button", { part: "button", type: "button" });
  #problem = make("p", { part: "start-problem", role: "alert", hidden: true });
  /** @type {ProgRockJobElement | null} */
  #job = null;
  /** @type {ReturnType<typeof sharedClient> | null} */
  #shared = null;
  #isSending = false;
  #attempt = new Attempt();

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [SHEET];
    root.append(this.#button, this.#problem);
    this.#button.addEventListener("click", () => this.start());
  }

  connectedCallback() {
    this.#draw();
    const { site, token } = sourceOf(this);
    this.#shared = sharedClient(site, token).borrow();
  }

  disconnectedCallback() {
    this.#shared?.release();
    this.#shared = null;
  }

  attributeChangedCallback() {
    this.#draw();
  }

  /** Start the job, as a press of the button does. */
  async start() {
    const shared = this.#shared;
    if (this.#isSending || !shared) return;
    this.#setSending(true);
    try {
      const params = JSON.parse(this.getAttribute("params") || "{}");
      const title = this.getAttribute("job-title");
      const backend = this.getAttribute("backend");
      const key = this.#attempt.keyFor(JSON.stringify([backend, params, title]));
      await shared.ready();
      const { client } = shared;
      const { snapshot } = await client.start(backend, params, { key, ...(title ? { title } : {}) });
      this.#attempt.end();
      showText(this.#problem, "");
      this.#tell("progrock-started", snapshot);
      this.#show(snapshot.job);
    } catch (error) {
      this.#explain(error);
    } finally {
      this.#setSending(false);
    }
  }

  /** @param {string} id */
  #show(id) {
    const job = new ProgRockJobElement();
    job.setAttribute("exportparts", PARTS);
    job.setAttribute("job", id);
    for (const name of ["src", "token"]) setAttribute(job, name, this.getAttribute(name));
    if (this.#job) this.#job.replaceWith(job);
    else this.shadowRoot?.append(job);
    this.#job = job;
  }

  /** @param {unknown} error */
  #explain(error) {
    const details = error instanceof ProgRockError ? error.details : undefined;
    const reasons = Array.isArray(details) ? details.map(({ message }) => message) : [];
    const message = reasons.join(" ") || /** @type {Error} */ (error).message;
    showText(this.#problem, message);
    this.#tell("progrock-error", { message, details });
  }

  #draw() {
    const label = this.getAttribute("label") ?? "Start";
    showText(this.#button, this.#isSending ? "Starting…" : label);
  }

  /** @param {boolean} isSending */
  #setSending(isSending) {
    this.#isSending = isSending;
    setAttribute(this.#button, "aria-disabled", isSending ? "true" : null); // keeps the focus
    this.#draw();
  }

  /**
   * @param {string} type
   * @param {unknown} detail
   */
  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
  }
}
