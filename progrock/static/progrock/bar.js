// @ts-check
/** The bar of a job: one element with the role progressbar, and its filling. */

import { setAttribute } from "./dom.js";
import { STATE_WORDS, percentText } from "./format.js";

/** @typedef {import("./protocol.js").Snapshot} Snapshot */

/**
 * Draw a job's progress. Without a known figure the bar has no `aria-valuenow`, and moves to and
 * fro while the job runs.
 * @param {HTMLElement} bar
 * @param {Element} fill a replaced element within: its width attribute needs no inline style
 * @param {Pick<Snapshot, "title" | "state" | "progress">} job
 */
export function drawBar(bar, fill, job) {
  const { progress } = job;
  const isAtWork = job.state === "running" || job.state === "cancelling";
  const figure = progress === null ? null : String(Math.floor(progress * 10) / 10);
  const words = [percentText(progress), STATE_WORDS[job.state].toLowerCase()];
  setAttribute(bar, "aria-label", `Progress of ${job.title}`);
  setAttribute(bar, "aria-valuenow", figure);
  setAttribute(bar, "aria-valuetext", words.filter(Boolean).join(", "));
  setAttribute(fill, "width", `${progress ?? 0}%`);
  bar.classList.toggle("is-unknown", progress === null && isAtWork);
}
