// @ts-check
/** `<progrock-job job="…">`: the bar of one job, live. job-element-define.js makes it known. */

import { make, setAttribute, showText } from "./dom.js";
import { CONDITION_WORDS, STATE_WORDS, etaText, percentText } from "./format.js";
import { sharedClient, sourceOf } from "./shared-client.js";

/** @typedef {import("./protocol.js").Snapshot} Snapshot */

const NOT_CONNECTED = "Not connected. Trying again…";
const STYLE = `
  :host { display: block; min-inline-size: 0; }
  :host([hidden]), [hidden] { display: none !important; }
  [part="job"] { display: grid; gap: 0.35em; }
  [part="head"], [part="foot"] {
    display: flex; flex-wrap: wrap; gap: 0 1em; justify-content: space-between;
  }
  [part="head"] *, [part="foot"] *, [part="error"] { min-inline-size: 0; overflow-wrap: anywhere; }
  [part="title"] { font-weight: 600; }
  [part="error"], [part="problem"] { margin: 0; }
  [part="bar"] {
    block-size: var(--progrock-height, 0.6em);
    overflow: hidden;
    position: relative;
    border: 1px solid var(--progrock-border, currentColor);
    border-radius: var(--progrock-radius, 0.3em);
    background: var(--progrock-track, transparent);
  }
  [part="fill"] {
    position: absolute;
    inset-block: 0;
    inset-inline-start: 0;
    background: var(--progrock-fill, #2f6fde);
    forced-color-adjust: none;
  }
  :host([state="succeeded"]) [part="fill"] { background: var(--progrock-succeeded, #1a7f4b); }
  :host([state="failed"]) [part="fill"],
  :host([state="timed_out"]) [part="fill"] { background: var(--progrock-failed, #c03636); }
  :host([state="cancelled"]) [part="fill"] { background: var(--progrock-cancelled, #767676); }
  .is-unknown [part="fill"] {
    inline-size: 100%;
    mask: repeating-linear-gradient(-45deg, #000 0 6px, transparent 6px 12px);
  }
  @media (forced-colors: active) { [part="fill"] { background: Highlight; } }
  @media (prefers-reduced-motion: no-preference) {
    [part="fill"] { transition: inline-size 0.3s; }
    .is-unknown [part="fill"] {
      inline-size: 30%;
      mask: none;
      animation: to-and-fro 1.6s ease-in-out infinite alternate;
    }
  }
  @keyframes to-and-fro { from { inset-inline-start: 0; } to { inset-inline-start: 70%; } }
`;
const SHEET = new CSSStyleSheet();
SHEET.replaceSync(STYLE);

/**
 * Attributes: `job`; `src`, another site's address or a share link; `token`, of a share.
 * Events, which bubble, with the snapshot as `detail`: `progrock-progress`, and `progrock-complete`
 * once, also for a job that has ended before; and `progrock-error` {message} when nothing more
 * will come. The attribute `state` is the job's, for styles. What stands inside the element is
 * shown until the job is known.
 */
export class ProgRockJobElement extends HTMLElement {
  static observedAttributes = ["job", "src", "token"];

  #slot = make("slot");
  #title = make("span", { part: "title", dir: "auto" });
  #state = make("span", { part: "state", role: "status", dir: "auto" });
  #fill = make("div", { part: "fill" });
  #bar = make(
    "div",
    { part: "bar", role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100" },
    this.#fill,
  );
  #percent = make("span", { part: "percent", dir: "auto" });
  #message = make("span", { part: "message", dir: "auto" });
  #eta = make("span", { part: "eta", dir: "auto" });
  #error = make("p", { part: "error", dir: "auto", hidden: true });
  #view = make(
    "div",
    { part: "job", hidden: true },
    make("div", { part: "head" }, this.#title, this.#state),
    this.#bar,
    make("div", { part: "foot" }, this.#percent, this.#message, this.#eta),
    this.#error,
  );
  #problem = make("p", { part: "problem", role: "status", hidden: true });
  /** @type {Snapshot | null} */
  #job = null;
  #isCompleteTold = false;
  #isLive = false; // connected to a page; attributes that come with it are read then
  /** @type {(() => void) | null} */
  #stop = null;

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [SHEET];
    root.append(this.#slot, this.#view, this.#problem);
  }

  /** The job's present snapshot; null before it is known. */
  get snapshot() {
    return this.#job;
  }

  connectedCallback() {
    this.#isLive = true;
    this.#follow();
  }

  disconnectedCallback() {
    this.#isLive = false;
    this.#stop?.();
    this.#stop = null;
  }

  /**
   * @param {string} _name
   * @param {string | null} before
   * @param {string | null} after
   */
  attributeChangedCallback(_name, before, after) {
    if (this.#isLive && before !== after) this.#follow();
  }

  #follow() {
    const stopLast = this.#stop;
    this.#stop = null;
    const source = sourceOf(this);
    const job = this.getAttribute("job") ?? source.job;
    if (job !== this.#job?.job) this.#forget();
    if (job) {
      this.#stop = sharedClient(source.site, source.token).follow(job, {
        show: (told) => this.#show(told),
        fail: (message) => this.#fail(message),
        connect: (isOnline) => showText(this.#problem, isOnline ? "" : NOT_CONNECTED),
      });
    }
    stopLast?.();
  }

  #forget() {
    this.#job = null;
    this.#isCompleteTold = false;
    this.#view.hidden = true;
    this.#slot.hidden = false;
    this.removeAttribute("state");
    showText(this.#problem, "");
  }

  /** @param {Snapshot} job */
  #show(job) {
    this.#job = job;
    this.#slot.hidden = true;
    this.#view.hidden = false;
    showText(this.#problem, "");
    setAttribute(this, "state", job.state);
    showText(this.#title, job.title);
    const condition = job.complete ? "" : CONDITION_WORDS[job.condition];
    showText(this.#state, condition || STATE_WORDS[job.state]);
    this.#drawBar(job);
    const reason = job.state === "cancelled" ? "" : (job.error?.message ?? "");
    showText(this.#percent, percentText(job.progress));
    showText(this.#message, job.message === reason ? "" : (job.message ?? ""));
    showText(this.#eta, job.complete || job.condition !== "ok" ? "" : etaText(job.eta));
    showText(this.#error, reason);
    this.#tell("progrock-progress", job);
    if (job.complete && !this.#isCompleteTold) {
      this.#isCompleteTold = true;
      this.#tell("progrock-complete", job);
    }
  }

  /** @param {Snapshot} job */
  #drawBar({ title, state, progress, complete }) {
    const words = [percentText(progress), STATE_WORDS[state].toLowerCase()].filter(Boolean);
    setAttribute(this.#bar, "aria-label", `Progress of ${title}`);
    setAttribute(this.#bar, "aria-valuenow", progress === null ? null : String(Math.floor(progress)));
    setAttribute(this.#bar, "aria-valuetext", words.join(", "));
    const isUnknown = progress === null && !complete;
    this.#bar.classList.toggle("is-unknown", isUnknown);
    this.#fill.style.inlineSize = isUnknown ? "" : `${progress ?? 0}%`;
  }

  /** @param {string} message */
  #fail(message) {
    showText(this.#problem, message || "This job cannot be watched.");
    this.#tell("progrock-error", { message });
  }

  /**
   * @param {string} type
   * @param {unknown} detail
   */
  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
  }
}
