// @ts-check
/** One job as a row of the list. The same parts and classes as in templates/progrock/_row.html. */

import {
  CONDITION_WORDS,
  SHORT_CONDITION_WORDS,
  STATE_WORDS,
  ageText,
  amountText,
  durationText,
  etaText,
  momentText,
  percentText,
  rangeText,
} from "../format.js";
import { html, nothing } from "../vendor/lit.js";

/** @typedef {import("../protocol.js").Snapshot} Snapshot */

/**
 * What a row shows beside its job.
 * @typedef {object} RowView
 * @property {number} now the server's time, in milliseconds since the epoch
 * @property {number} waited seconds since the job's figures came
 * @property {string} backend its title
 * @property {boolean} isSelected
 * @property {boolean} isBusy something was asked of the job, and is not answered
 * @property {boolean} isAwaited its end will be told by a notification
 * @property {string} notice why what was asked was refused
 * @property {{ by: string, what: string } | undefined} mark who else has just changed it, and what
 */

/**
 * Return what stands within a row. What is pressed is told apart by `data-does`.
 * @param {Snapshot} job
 * @param {RowView} view
 */
export function rowContent(job, view) {
  const { isSelected, notice } = view;
  const condition = job.complete ? "ok" : job.condition;
  const reason = job.state === "cancelled" ? "" : (job.error?.message ?? "");
  const message = job.message === job.error?.message ? "" : (job.message ?? "");
  return html`
    <input class="row-check" type="checkbox" data-does="select" .checked=${isSelected}
      aria-label="Select ${job.title}">
    <span class="row-state">
      <span class="state" data-part="state">${STATE_WORDS[job.state]}</span>
      <span class="condition" data-part="condition" title=${CONDITION_WORDS[condition]}
        ?hidden=${condition === "ok"}>${SHORT_CONDITION_WORDS[condition]}</span>
    </span>
    <div class="row-what">
      <div class="row-title">
        ${job.pinned ? html`<span class="row-pinned" role="img" aria-label="Pinned">★</span>` : nothing}
        <a class="job-title" data-part="title" dir="auto" href="/jobs/${job.job}" title=${job.title}
          >${job.title}</a>
        ${job.labels.map((label) => labelLink(label))}
        ${markOf(view.mark)}
      </div>
      <div class="row-now">
        ${notice ? html`<span class="row-notice" data-part="notice" role="alert">${notice}</span>` : nothing}
        <span class="row-error" data-part="error" dir="auto" title=${reason} ?hidden=${!reason}>${reason}</span>
        <span class="row-message" data-part="message" dir="auto" title=${message} ?hidden=${!message}>${message}</span>
        ${job.note ? html`<span class="row-note" data-part="note" dir="auto" title=${job.note}>${job.note}</span>` : nothing}
      </div>
    </div>
    <div class="row-progress">
      ${barOf(job)}
      <span class="percent" data-part="percent">${percentText(job.progress)}</span>
      <span class="row-eta">${figuresOf(job, view)}</span>
    </div>
    <span class="row-backend" data-part="backend" title=${view.backend}>${view.backend}</span>
    <span class="row-who">${whoOf(job)}</span>
    ${ageOf(job, view)}
    <span class="row-does">${buttonsOf(job, view)}</span>`;
}

/** @param {string} label */
function labelLink(label) {
  const address = `/?${new URLSearchParams({ label })}`;
  return html`<a class="label" data-does="label" data-label=${label} href=${address}>${label}</a>`;
}

/** @param {RowView["mark"]} mark */
function markOf(mark) {
  if (!mark) return nothing;
  return html`<span class="row-mark" data-part="mark">${mark.by} changed the ${mark.what}</span>`;
}

/** @param {Snapshot} job */
function barOf(job) {
  const { progress, state, title } = job;
  const isAtWork = state === "running" || state === "cancelling";
  const isUnknown = progress === null && isAtWork;
  const value = progress === null ? nothing : String(Math.floor(progress * 10) / 10);
  const words = [percentText(progress), STATE_WORDS[state].toLowerCase()].filter(Boolean);
  return html`<div class="bar ${isUnknown ? "is-unknown" : ""}" data-part="bar" role="progressbar"
    aria-label="Progress of ${title}" aria-valuemin="0" aria-valuemax="100" aria-valuenow=${value}
    aria-valuetext=${words.join(", ")}
    ><span class="bar-share" .style=${`--share: ${(progress ?? 0) / 100}`}></span></div>`;
}

/**
 * @param {Snapshot} job
 * @param {RowView} view
 */
function figuresOf(job, { waited, now }) {
  if (job.complete) {
    const length = Date.parse(job.finished ?? "") - Date.parse(job.started ?? "");
    return !(length >= 1000) // nor where it never began
      ? nothing
      : html`<span data-part="duration">took ${durationText(length / 1000)}</span>`;
  }
  const eta = job.condition === "ok" ? job.eta : null;
  if (eta !== null) {
    const [low, high] = (job.eta_range ?? [eta, eta]).map((end) => Math.max(end - waited, 0));
    const range = job.eta_range ? rangeText(low, high) : "";
    return html`<span data-part="eta">${etaText(Math.max(eta - waited, 0))}${
      range ? html` <small class="row-range">(${range})</small>` : nothing
    }</span>`;
  }
  const amount = amountText(job.current, job.total, job.unit);
  const running = job.started ? durationText((now - Date.parse(job.started)) / 1000) : "";
  return html`<span data-part="amount">${amount || (running && `for ${running}`)}</span>`;
}

/** @param {Snapshot} job */
function whoOf({ owner, watchers }) {
  const count = watchers ?? 0;
  const words = `${count} ${count === 1 ? "watches" : "watch"}`;
  return html`<span class="row-owner" data-part="owner" ?hidden=${!owner}>${owner ?? ""}</span>
    <span class="row-watchers" data-part="watchers" title=${words} ?hidden=${!count}
      ><span aria-hidden="true">◉ ${count}</span><span class="unseen">${words}</span></span>`;
}

/**
 * @param {Snapshot} job
 * @param {RowView} view
 */
function ageOf(job, { now }) {
  const created = new Date(job.created);
  const finished = job.finished ? `, ended ${momentText(new Date(job.finished))}` : "";
  const words = `Started ${momentText(created)}${finished}`;
  return html`<time class="row-age" data-part="created" datetime=${job.created} title=${words}
    >${ageText((now - created.getTime()) / 1000)}</time>`;
}

/**
 * @param {Snapshot} job
 * @param {RowView} view
 */
function buttonsOf(job, { isBusy, isAwaited }) {
  const { can, complete, pinned, state, title } = job;
  const isCancelling = state === "cancelling";
  const busy = isBusy || isCancelling ? "true" : nothing;
  const cancel = isCancelling || can.includes("cancel");
  return html`
    ${complete
      ? nothing
      : html`<button class="icon-button" type="button" data-does="tell" aria-pressed=${String(isAwaited)}
          aria-label="Notify me when ${title} ends" title="Notify me at the end (n)">◷</button>`}
    ${can.includes("edit")
      ? html`<button class="icon-button" type="button" data-does="pin" aria-pressed=${String(pinned)}
            aria-label="Pin ${title}" title="Pin (p)">${pinned ? "★" : "☆"}</button>
          <button class="icon-button" type="button" data-does="edit" aria-label="Edit ${title}"
            title="Edit (e)">✎</button>`
      : nothing}
    ${cancel
      ? html`<button type="button" data-does="cancel" data-part="cancel" aria-disabled=${busy}
            aria-label="${isCancelling ? "Cancelling" : "Cancel"} ${title}"
            >${isCancelling ? "Cancelling…" : "Cancel"}</button>`
      : nothing}
    ${can.includes("retry")
      ? html`<button type="button" data-does="retry" aria-disabled=${busy} aria-label="Retry ${title}"
            >Retry</button>`
      : nothing}`;
}
