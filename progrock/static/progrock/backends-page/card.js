// @ts-check
/** What is shown of one backend. */

import { momentText } from "../format.js";
import { html, nothing } from "../vendor/lit.js";
import { boxPlot, latencyPlot } from "./charts.js";
import { healthOf, partText, rateText, timeText } from "./health.js";

/** @typedef {import("./health.js").Backend} Backend */
/** @typedef {import("./health.js").Failure} Failure */

const ENDS = /** @type {[string, string][]} */ ([
  ["succeeded", "succeeded"],
  ["failed", "failed"],
  ["timed_out", "timed out"],
  ["cancelled", "cancelled"],
]);

/** @param {Backend} backend */
export function card(backend) {
  const { kind, word, sentence, next } = healthOf(backend);
  const { figures, name } = backend;
  const { polls, jobs, durations } = figures;
  const heading = `backend-${name}`;
  return html`<article class="backend card" data-health=${kind} aria-labelledby=${heading}>
    <header>
      <h2 id=${heading} dir="auto">${backend.title}</h2>
      <code class="backend-name">${name}</code>
      <strong class="health">${word}</strong>
    </header>
    <p class="backend-says">${sentence}${next ? html` <span class="next">${next}</span>` : nothing}</p>
    <dl class="figures">
      ${figure(
        "Active jobs",
        jobs.active
          ? html`<a href="/?${new URLSearchParams({ backend: name })}">${jobs.active}</a>`
          : "0",
        [jobs.unreachable && `${jobs.unreachable} unreachable`, jobs.stalled && `${jobs.stalled} stalled`],
      )}
      ${figure("Polls a second", polls ? rateText(polls.per_second) : "–", [])}
      ${figure("Errors", polls?.error_rate === null || !polls ? "–" : partText(polls.error_rate), [
        polls?.failed ? `${polls.failed} of ${polls.count} polls` : "",
      ])}
      ${figure("Latency", timeText(polls?.latency.p50), [
        polls && polls.latency.p99 !== null ? `99 of 100: ${timeText(polls.latency.p99)}` : "",
      ])}
      ${figure("Lag", timeText(jobs.lag), [])}
      ${figure("Duration", timeText(durations?.p50), [durations ? `95 of 100: ${timeText(durations.p95)}` : ""])}
    </dl>
    <div class="charts">
      ${polls && polls.series.count.some(Boolean) ? latencyPlot(polls) : blank("Latency, ten minutes", "No poll in the last ten minutes.")}
      ${durations ? boxPlot(durations) : blank("How long jobs took", "No job has succeeded yet.")}
    </div>
    ${ends(jobs.ended)}
    ${figures.last_failure ? failing(figures.last_failure, kind) : nothing}
    <p class="backend-links">
      <a href="/start?${new URLSearchParams({ backend: name })}">Start a job</a>
      <a href="/?${new URLSearchParams({ backend: name })}">Its jobs</a>
    </p>
  </article>`;
}

/**
 * @param {string} name
 * @param {unknown} value
 * @param {(string | number | false | null | undefined)[]} more
 */
function figure(name, value, more) {
  const told = more.filter(Boolean).join(", ");
  return html`<div><dt>${name}</dt><dd>${value}${told ? html`<small>${told}</small>` : nothing}</dd></div>`;
}

/**
 * @param {string} caption
 * @param {string} sentence
 */
function blank(caption, sentence) {
  return html`<figure class="chart is-blank"><figcaption>${caption}</figcaption><p class="help">${sentence}</p></figure>`;
}

/** @param {Record<string, number>} ended */
function ends(ended) {
  const all = Object.values(ended).reduce((sum, count) => sum + count, 0);
  if (!all) return nothing;
  const told = ENDS.filter(([state]) => ended[state]).map(([state, word]) => `${ended[state]} ${word}`);
  return html`<p class="help">Of the last ${all} ended jobs: ${told.join(", ")}.</p>`;
}

/**
 * @param {Failure} failure
 * @param {string} kind
 */
function failing(failure, kind) {
  const asked = failure.asked === "poll" ? "a poll" : "a start or a cancel";
  const status = failure.status === null ? "no answer" : `HTTP ${failure.status}`;
  const at = new Date(failure.at);
  return html`<details class="failure" ?open=${kind === "down" || kind === "failing"}>
    <summary>Last failing reply: ${status} to ${asked}, <time datetime=${failure.at}>${momentText(at)}</time></summary>
    ${failure.is_hidden
      ? html`<p class="help">What it says is for those who may see the job that it was about.</p>`
      : html`
          <p dir="auto">${failure.message}</p>
          ${failure.job ? html`<p class="help"><a href="/jobs/${failure.job}">The job that it was about</a></p>` : nothing}
          ${failure.status === null
            ? nothing
            : html`<pre class="reply" dir="ltr" tabindex="0" aria-label="The reply">${replyText(failure)}</pre>
                <p class="help">Secrets of the description are masked${failure.is_cut ? "; the reply is longer than this" : ""}.</p>`}
        `}
  </details>`;
}

/** @param {Failure} failure */
function replyText({ status, headers, body }) {
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return [`HTTP ${status}`, ...head, "", body || "(empty)"].join("\n");
}
