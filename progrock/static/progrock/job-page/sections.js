// @ts-check
/** The quieter parts of a job's page: what it gave, why it failed, what it was asked, what happened. */

import { shortened } from "../format.js";
import { html, nothing, repeat } from "../vendor/lit.js";
import { adviceOn } from "./advice.js";
import { moment } from "./moment-view.js";
import { lengthText } from "./moments.js";

/** @typedef {import("../protocol.js").Snapshot} Snapshot */
/** @typedef {import("./advice.js").Advice} Advice */
/** @typedef {import("./model.js").JobModel} JobModel */
/** @typedef {import("./actions.js").JobActions} Actions */
/** @typedef {import("./timeline.js").Entry} Entry */

const SHOWN_ENTRIES = 60;
const SHOWN_TEXT = 4000;

/**
 * @param {Snapshot} job
 * @param {Record<string, Advice>} known advice, by the code of an error
 */
export function failure(job, known) {
  const advice = adviceOn(job, known);
  if (!advice) return nothing;
  return html`
    <section class="panel failure" aria-labelledby="failure-heading">
      <h2 id="failure-heading">${advice.what}</h2>
      <p class="failure-reason" data-part="error" dir="auto">${job.error?.message ?? ""}</p>
      <p class="failure-todo"><strong>What you can do:</strong> ${advice.todo}</p>
      ${job.error?.code ? html`<p class="help">Code: <code>${job.error.code}</code></p>` : nothing}
    </section>
  `;
}

/** @param {Snapshot} job */
export function parameters(job) {
  const entries = Object.entries(job.params);
  return html`
    <section class="panel" aria-labelledby="params-heading" data-part="params">
      <h2 id="params-heading">Parameters</h2>
      ${entries.length
        ? html`<dl class="pairs">
            ${entries.map(([name, value]) => html`<div><dt dir="auto">${name}</dt><dd>${plainValue(value)}</dd></div>`)}
          </dl>`
        : html`<p class="panel-empty">It was started with none.</p>`}
    </section>
  `;
}

/** @param {unknown} value */
function plainValue(value) {
  if (typeof value === "object" && value !== null) {
    return html`<pre class="json" tabindex="0">${shortened(JSON.stringify(value, null, 2), SHOWN_TEXT)}</pre>`;
  }
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return html`<bdi>${shortened(text, SHOWN_TEXT)}</bdi>`;
}

/**
 * @param {Entry[]} entries the first first
 * @param {JobModel} model
 * @param {Actions} actions
 */
export function timeline(entries, { now, isFilling, log, fillProblem }, actions) {
  const latest = [...entries].reverse();
  const shown = actions.isTimelineWhole ? latest : latest.slice(0, SHOWN_ENTRIES);
  const hidden = latest.length - shown.length;
  return html`
    <section class="panel timeline" aria-labelledby="timeline-heading">
      <h2 id="timeline-heading">What happened</h2>
      ${fillProblem ? html`<p class="help" role="status">${fillProblem}</p>` : nothing}
      ${entries.length === 0
        ? html`<p class="panel-empty">${isFilling ? "Reading…" : "Nothing yet."}</p>`
        : html`<ol class="entries">${repeat(shown, ({ seq, kind }) => `${seq}${kind}`, (entry) => line(entry, now))}</ol>`}
      ${hidden > 0
        ? html`<button class="quiet" type="button" @click=${actions.showTimeline}>Show ${hidden} earlier</button>`
        : nothing}
      ${log.isCut && !isFilling ? html`<p class="help">Still earlier events are no longer kept.</p>` : nothing}
    </section>
  `;
}

/**
 * @param {Entry} entry
 * @param {number} now
 */
function line({ kind, text, at, until, quote }, now) {
  const length = until && until !== at ? lengthText(at, until) : "";
  return html`<li class="entry" data-kind=${kind}>
    <span class="entry-mark" aria-hidden="true"></span>
    <p class="entry-text"><span dir="auto">${text}</span>${length ? html` <span class="entry-length">in ${length}</span>` : nothing}</p>
    <span class="entry-at">${moment(until ?? at, { seconds: true, now })}</span>
    ${quote ? html`<p class="entry-quote" dir="auto">${shortened(quote, 300)}</p>` : nothing}
  </li>`;
}
