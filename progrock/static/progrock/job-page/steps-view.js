// @ts-check
/** The large bar of a job, in as many parts as it has steps, and the steps by name. */

import { STATE_WORDS, percentText } from "../format.js";
import { html, nothing, ref } from "../vendor/lit.js";

/** @typedef {import("../protocol.js").Snapshot} Snapshot */
/** @typedef {import("../protocol.js").State} State */
/** @typedef {import("../protocol.js").Step & { weight?: number }} Step */

const MOST_PARTS = 24; // more would be too thin to see
const SHOWN_STEPS = 12;
const ENDED = new Set(["succeeded", "failed", "cancelled", "timed_out"]);

/** @param {Snapshot} job */
export function bigBar(job) {
  const { progress, state, title, complete } = job;
  /** @type {Step[]} */
  const steps = job.steps;
  const isParted = steps.length > 1 && steps.length <= MOST_PARTS;
  const isAtWork = state === "running" || state === "cancelling";
  const isUnknown = progress === null && isAtWork && !isParted;
  const words = [percentText(progress), STATE_WORDS[state].toLowerCase()].filter(Boolean).join(", ");
  return html`
    <div class="bar big-bar ${isUnknown ? "is-unknown" : ""} ${isParted ? "is-parted" : ""}" role="progressbar"
      data-part="bar" aria-label="Progress of ${title}" aria-valuemin="0" aria-valuemax="100"
      aria-valuenow=${progress === null ? nothing : Math.floor(progress * 10) / 10} aria-valuetext=${words}>
      ${isParted ? steps.map((step) => part(step, complete)) : fill(progress ?? 0)}
    </div>
  `;
}

/** @param {number} percent */
function fill(percent) {
  return html`<svg class="bar-fill" aria-hidden="true" width="${percent}%"></svg>`;
}

/**
 * @param {Step} step
 * @param {boolean} isOver
 */
function part(step, isOver) {
  const grow = ref((element) => {
    if (element instanceof HTMLElement) element.style.flexGrow = String(step.weight ?? 1);
  });
  const isUnknown = step.state === "running" && step.progress === null && !isOver;
  return html`<span class="bar-part ${isUnknown ? "is-unknown" : ""}" data-state=${step.state ?? ""} title=${step.name} ${grow}>
    ${fill(percentOf(step))}
  </span>`;
}

/**
 * Return how far a step is, 0 to 100.
 * @param {Step} step
 */
function percentOf({ progress, state }) {
  return state === "succeeded" ? 100 : (progress ?? 0);
}

/** @param {Step[]} steps */
export function stepList(steps) {
  if (steps.length === 0) return nothing;
  const done = steps.filter(({ state }) => state === "succeeded").length;
  const list = html`<ol class="steps" data-part="steps">${steps.map(stepLine)}</ol>`;
  if (steps.length <= SHOWN_STEPS) return list;
  return html`<details class="steps-folded"><summary>${done} of ${steps.length} steps done</summary>${list}</details>`;
}

/** @param {Step} step */
function stepLine(step) {
  const { name, state, progress } = step;
  const word = STATE_WORDS[/** @type {State} */ (state)] ?? state ?? "";
  const figure = state === "succeeded" ? "" : percentText(progress);
  const isOver = ENDED.has(state);
  return html`<li class="step" data-state=${state ?? ""} aria-current=${state === "running" ? "step" : nothing}>
    <span class="step-name" dir="auto">${name || "Unnamed step"}</span>
    <span class="step-state ${state === "succeeded" ? "unseen" : ""}">${[isOver || !figure ? word : "", isOver ? "" : figure].filter(Boolean).join(" ")}</span>
  </li>`;
}
