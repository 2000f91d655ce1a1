// @ts-check
/**
 * Two small charts as SVG, stretched to their place; what is written at them is HTML, so that it
 * keeps its size. Lines differ in kind and not in colour alone, and each chart says in words what it
 * shows.
 */

import { momentText } from "../format.js";
import { html, nothing, svg } from "../vendor/lit.js";
import { timeText } from "./health.js";

/** @typedef {import("./health.js").Box} Box */
/** @typedef {import("./health.js").Polls} Polls */

const HEIGHT = 100; // units; the width has one for each slot, or BOX_WIDTH for each box
const BOX_WIDTH = 20;
const TOP = 1.08; // of the largest value: room above it

/**
 * How long jobs took, a box for about as many each, by the time of their end.
 * @param {Box & { boxes: Box[] }} durations
 */
export function boxPlot(durations) {
  const { boxes } = durations;
  const most = Math.max(...boxes.map(({ p95 }) => p95)) * TOP || 1;
  const y = (/** @type {number} */ seconds) => HEIGHT - (seconds / most) * HEIGHT;
  const width = Math.max(boxes.length, 4) * BOX_WIDTH; // a single box is no wall
  const words =
    `How long the last ${durations.count} successful jobs took: half of them at most ` +
    `${timeText(durations.p50)}, 19 of 20 at most ${timeText(durations.p95)}.`;
  return html`<figure class="chart">
    <figcaption>How long jobs took</figcaption>
    <div class="plot">
      <span class="axis" aria-hidden="true">${timeText(most / TOP)}</span>
      <svg viewBox="0 0 ${width} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label=${words}>
        ${grid(width)}
        ${boxes.map((box, place) => {
          const middle = (place + 0.5) * BOX_WIDTH;
          const [left, right] = [middle - BOX_WIDTH * 0.32, middle + BOX_WIDTH * 0.32];
          return svg`<g>
            <title>${boxWords(box)}</title>
            <line class="whisker" x1=${middle} x2=${middle} y1=${y(box.p95)} y2=${y(box.p5)}></line>
            <rect class="box" x=${left} width=${right - left} y=${y(box.p75)}
              height=${Math.max(y(box.p25) - y(box.p75), 0.5)}></rect>
            <line class="median" x1=${left} x2=${right} y1=${y(box.p50)} y2=${y(box.p50)}></line>
          </g>`;
        })}
      </svg>
      <span class="axis" aria-hidden="true">0</span>
    </div>
    <p class="ends" aria-hidden="true">
      <span>${momentText(new Date(durations.from))}</span><span>${momentText(new Date(durations.to))}</span>
    </p>
    <p class="key">Line: half of the jobs were quicker. Box: the middle half. Stroke: 5 to 95 %.</p>
    <details>
      <summary>As a table</summary>
      <div class="table-place" tabindex="0" role="region" aria-label="How long jobs took">
        <table>
          <thead><tr><th scope="col">Ended</th><th scope="col">Jobs</th><th scope="col">5 %</th><th scope="col">25 %</th>
            <th scope="col">Half</th><th scope="col">75 %</th><th scope="col">95 %</th></tr></thead>
          <tbody>${boxes.map(
            (box) => html`<tr><th scope="row">until ${momentText(new Date(box.to))}</th><td>${box.count}</td>
              ${[box.p5, box.p25, box.p50, box.p75, box.p95].map((each) => html`<td>${timeText(each)}</td>`)}</tr>`,
          )}</tbody>
        </table>
      </div>
    </details>
  </figure>`;
}

/** @param {Box} box */
function boxWords(box) {
  return (
    `${box.count} jobs until ${momentText(new Date(box.to))}: half took at most ${timeText(box.p50)}, ` +
    `most ${timeText(box.p5)} to ${timeText(box.p95)}`
  );
}

/**
 * Latencies of the last ten minutes, with marks where polls failed.
 * @param {Polls} polls
 */
export function latencyPlot({ series, latency }) {
  const { p50, p99, failed } = series;
  const known = p99.some((each) => each !== null);
  const most = Math.max(...p99.map((each) => each ?? 0)) * TOP || 1;
  const width = p99.length;
  const marks = failed.map((count, place) => ({ count, place })).filter(({ count }) => count);
  const inAll = failed.reduce((sum, each) => sum + each, 0);
  const words =
    `Latency of the last ten minutes, at most ${timeText(most / TOP)}; now half of the replies come within ` +
    `${timeText(latency.p50)}, 99 of 100 within ${timeText(latency.p99)}.${inAll ? ` ${inAll} polls failed.` : ""}`;
  return html`<figure class="chart">
    <figcaption>Latency, ten minutes</figcaption>
    <div class="plot">
      <span class="axis" aria-hidden="true">${known ? timeText(most / TOP) : nothing}</span>
      <svg viewBox="0 0 ${width} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label=${words}>
        ${grid(width)}
        ${marks.map(({ place }) => svg`<rect class="failed" x=${place} width="0.9" y=${HEIGHT - 8} height="8"></rect>`)}
        <path class="line p99" d=${line(p99, most)}></path>
        <path class="line p50" d=${line(p50, most)}></path>
      </svg>
      <span class="axis" aria-hidden="true">${known ? "0" : nothing}</span>
    </div>
    <p class="ends" aria-hidden="true"><span>−10 min</span><span>now</span></p>
    <p class="key">Whole line: half of the replies. Dashed: 99 of 100.${inAll ? " Below: polls that failed." : ""}</p>
  </figure>`;
}

/** @param {number} width */
function grid(width) {
  return [0, 0.5, 1].map(
    (part) => svg`<line class="grid" x1="0" x2=${width} y1=${part * HEIGHT} y2=${part * HEIGHT}></line>`,
  );
}

/**
 * Return a path through values, broken where there is none; a value alone is a short stroke.
 * @param {(number | null)[]} values
 * @param {number} most
 */
function line(values, most) {
  return values
    .map((value, place) => {
      if (value === null) return "";
      const y = (HEIGHT - (value / most) * HEIGHT).toFixed(2);
      const isFirst = place === 0 || values[place - 1] === null;
      return isFirst ? `M${place + 0.1} ${y}L${place + 0.5} ${y}` : `L${place + 0.5} ${y}`;
    })
    .join("");
}
