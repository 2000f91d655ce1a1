// @ts-check
/** The head of a job's page: what it is, how far, how fast, how long still, and what can be done. */

import {
  CONDITION_WORDS,
  STATE_WORDS,
  amountText,
  etaText,
  percentText,
  shortened,
} from "../format.js";
import { html, nothing, repeat } from "../vendor/lit.js";
import { troubleOf } from "./advice.js";
import { rateOf } from "./curve.js";
import { labelsField, titleField } from "./fields-view.js";
import { moment } from "./moment-view.js";
import { exactText, lengthText } from "./moments.js";
import { bigBar, stepList } from "./steps-view.js";

/** @typedef {import("../protocol.js").Snapshot} Snapshot */
/** @typedef {import("./model.js").JobModel} JobModel */
/** @typedef {import("./actions.js").JobActions} Actions */

const large = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const small = new Intl.NumberFormat("en", { maximumSignificantDigits: 2 });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });

/**
 * @param {JobModel} model
 * @param {Snapshot} job
 * @param {Actions} actions
 */
export function hero(model, job, actions) {
  const { now } = model;
  const trouble = troubleOf(job);
  const reason = job.error?.message ?? "";
  const message = job.message && job.message !== reason ? job.message : "";
  return html`
    <section class="panel hero" aria-label="State">
      <div class="hero-head">
        ${titleField(actions.place("title", job))}
        <span class="state" data-part="state">${STATE_WORDS[job.state]}</span>
      </div>
      <div class="hero-line">${about(model, job, actions)} ${labelsField(actions.place("labels", job))}</div>
      <div class="hero-progress">
        ${bigBar(job)}
        <span class="hero-percent" data-part="percent">${percentText(job.progress)}</span>
      </div>
      <p class="hero-message" data-part="message" dir="auto" ?hidden=${!message}>${message}</p>
      ${figuresOf(model, job, now)}
      ${trouble
        ? html`<p class="trouble" data-part="condition" data-kind=${job.condition}>
            <strong>${CONDITION_WORDS[job.condition]}</strong> ${trouble}
          </p>`
        : nothing}
      ${stepList(job.steps)} ${actionBar(job, actions)}
    </section>
  `;
}

/**
 * @param {JobModel} model
 * @param {Snapshot} job
 * @param {Actions} actions
 */
function about(model, job, actions) {
  return html`
    <ul class="hero-about">
      <li data-part="backend">${actions.backendTitle(job.backend)}</li>
      ${job.owner ? html`<li>started by <bdi>${job.owner}</bdi></li>` : nothing}
      <li>${moment(job.created, { now: model.now })}</li>
      ${job.retry_of && !actions.isGuest
        ? html`<li>retry of <a href="/jobs/${job.retry_of}">an earlier job</a></li>`
        : nothing}
      ${watching(model)}
    </ul>
  `;
}

/** @param {JobModel} model */
function watching({ watchers }) {
  if (!watchers) return nothing;
  const { count, names } = watchers;
  const rest = count - names.length; // without an account, or further tabs of those with a name
  const more = rest > 0 && names.length ? [`${rest} more`] : [];
  const who = [...names, ...more].join(", ");
  const text = `${count} watching now`;
  return html`<li class="watching" data-part="watchers" title=${who || text}>
    <span class="watching-dot"></span>${text}${who ? html`<span class="watching-names">: <bdi>${who}</bdi></span>` : nothing}
  </li>`;
}

/**
 * @param {JobModel} model
 * @param {Snapshot} job
 * @param {number} now
 */
function figuresOf(model, job, now) {
  const rate = rateOf(model.log.events, now / 1000);
  const lasted = lengthText(job.started ?? null, job.finished ?? (job.complete ? null : now));
  const parts = [
    ["Done", amountText(job.current, job.total, job.unit)],
    ["Rate", rateText(rate)],
    [job.complete ? "Took" : "Running for", job.started ? lasted : ""],
  ].filter(([, text]) => text);
  const { left } = model;
  return html`
    <dl class="figures" data-part="figures">
      ${repeat(
        parts,
        ([name]) => name,
        ([name, text]) => html`<div><dt>${name}</dt><dd>${text}</dd></div>`,
      )}
      ${left
        ? html`<div data-part="eta">
            <dt>Time left</dt>
            <dd>${shortEta(left.seconds)}${rangeText(left)}</dd>
          </div>
          <div><dt>Done at</dt><dd>${endText(now, left.seconds)}</dd></div>`
        : nothing}
      ${job.finished
        ? html`<div><dt>Ended</dt><dd>${moment(job.finished, { seconds: true, now })}</dd></div>`
        : nothing}
    </dl>
  `;
}

/**
 * @param {number} now
 * @param {number} seconds
 */
function endText(now, seconds) {
  const at = new Date(now + seconds * 1000);
  const isToday = at.toDateString() === new Date(now).toDateString();
  const text = isToday ? clock.format(at) : exactText(at);
  return `about ${text}`;
}

/** @param {number} seconds */
function shortEta(seconds) {
  return etaText(seconds).replace(/ left$/, "");
}

/** @param {{ seconds: number, low: number, high: number }} left */
function rangeText({ seconds, low, high }) {
  if (seconds < 5 || high - low < Math.max(seconds * 0.2, 5)) return "";
  const short = (/** @type {number} */ value) => shortEta(value).replace(/^about /, "");
  const [from, to] = [short(low), short(high)];
  return from === to ? "" : ` (${from} to ${to})`;
}

/** @param {ReturnType<typeof rateOf>} rate */
function rateText(rate) {
  if (!rate) return "";
  const { perSecond, unit } = rate;
  if (unit === "bytes") return `${amountText(perSecond, null, "bytes")}/s`;
  const [figure, per] =
    perSecond >= 0.5 ? [perSecond, "s"] : perSecond >= 0.5 / 60 ? [perSecond * 60, "min"] : [perSecond * 3600, "h"];
  const what = unit ? `\u00a0${unit}` : "";
  return `${(figure < 100 ? small : large).format(figure)}${what}/${per}`;
}

/**
 * @param {Snapshot} job
 * @param {Actions} actions
 */
function actionBar(job, actions) {
  const { can, state, complete } = job;
  if (actions.isGuest || can.length === 0) {
    return actions.isGuest
      ? html`<p class="help">You watch this job by a link that was shared with you: you can see it, and change nothing.</p>`
      : nothing;
  }
  const mayCancel = can.includes("cancel") || state === "cancelling";
  const mayRetry = complete && can.includes("edit");
  const isCancelling = state === "cancelling" || actions.isBusy("cancel");
  return html`
    <div class="hero-actions">
      ${mayCancel
        ? html`<button type="button" aria-disabled=${isCancelling ? "true" : nothing} @click=${actions.cancel}>
            ${isCancelling ? "Cancelling…" : "Cancel"}
          </button>`
        : nothing}
      ${mayRetry
        ? html`<button type="button" class=${state === "succeeded" ? "" : "primary"}
            aria-disabled=${actions.isBusy("retry") ? "true" : nothing} @click=${actions.retry}>
            ${actions.isBusy("retry") ? "Starting…" : "Retry"}
          </button>`
        : nothing}
      ${mayRetry && actions.retryPage(job)
        ? html`<a class="button" href=${actions.retryPage(job)}>Change and retry</a>`
        : nothing}
      ${can.includes("share")
        ? html`<button type="button" aria-haspopup="dialog" @click=${actions.share}>Share</button>`
        : nothing}
      <button type="button" aria-haspopup="dialog" @click=${actions.copy}>Copy as…</button>
      <button type="button" class="pin" aria-pressed=${String(actions.isAwaited)} @click=${actions.awaitEnd}
        ?hidden=${complete}>
        Notify me at the end
      </button>
      <button type="button" class="pin" aria-pressed=${String(job.pinned)} @click=${actions.pin}
        ?hidden=${!can.includes("edit")}>
        ${job.pinned ? "Pinned" : "Pin"}
      </button>
    </div>
    <p class="alert" role="alert" data-part="notice" ?hidden=${!actions.notice}>${shortened(actions.notice, 500)}</p>
  `;
}
