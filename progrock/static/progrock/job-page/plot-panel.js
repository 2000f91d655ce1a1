// @ts-check
/** The plot of a job's progress over time: where it stalled, where it was not to be reached, and where it may end. */

import { make, setAttribute, showText } from "../dom.js";
import { STATE_WORDS } from "../format.js";
import { curveSentence } from "./curve.js";
import { axisText } from "./moments.js";
import { coloursOf } from "./plot-colours.js";

/** @typedef {import("../vendor/uplot.js").default} uPlot */
/** @typedef {import("../vendor/uplot.js").default.AlignedData} AlignedData */
/** @typedef {import("../vendor/uplot.js").default.Options} Options */
/** @typedef {import("./curve.js").Curve} Curve */
/** @typedef {import("../protocol.js").State} State */
/** @typedef {{ low: number, high: number }} Range seconds until the end */

const CONDITION_LABELS = { stalled: "stalled", unreachable: "no answer", ok: "" };
const [MINUTE, HOUR, DAY] = [60, 3600, 86_400];
const TICK_SECONDS = [
  ...[1, 2, 5, 10, 15, 30],
  ...[1, 2, 5, 10, 15, 30].map((count) => count * MINUTE),
  ...[1, 2, 3, 6, 12].map((count) => count * HOUR),
  ...[1, 2, 7, 14, 28].map((count) => count * DAY),
];
const AHEAD = 3; // of the time so far: how much of what is to come is shown, at most

export class PlotPanel {
  #readout = make("p", { class: "plot-readout" });
  #place = make("div", { class: "plot-place", role: "img", dir: "ltr" });
  #empty = make("p", { class: "panel-empty" });
  #key = make("p", { class: "help", hidden: true });
  /** @type {typeof import("../vendor/uplot.js").default | null} */
  #library = null; // loaded when there is something to draw: the page shows without waiting for it
  #isLoading = false;
  /** @type {uPlot | null} */
  #plot = null;
  /** @type {Curve} */
  #curve = { times: [], values: [], spans: [], marks: [] };
  /** @type {Curve | null} that of the attempt before, moved to where this one began */
  #earlier = null;
  /** @type {Range | null} */
  #range = null;
  #now = 0;
  #isOver = false;
  #colours = coloursOf(document.documentElement);

  constructor() {
    this.element = make(
      "section",
      { class: "panel plot", "aria-labelledby": "plot-heading" },
      make("div", { class: "panel-head" }, make("h2", { id: "plot-heading" }, "Progress"), this.#readout),
      this.#place,
      this.#key,
      this.#empty,
    );
    new ResizeObserver(() => this.#fit()).observe(this.#place);
    for (const wish of ["(prefers-color-scheme: dark)", "(prefers-contrast: more)", "print"]) {
      matchMedia(wish).addEventListener("change", () => this.#recolour());
    }
  }

  /**
   * Show the curve of the attempt before, for comparison.
   * @param {Curve} curve
   */
  compare(curve) {
    this.#earlier = curve;
    this.#draw();
  }

  /**
   * @param {Curve} curve
   * @param {{ now: number, isOver: boolean, range: Range | null, isLoading: boolean }} state `now` in
   *     Unix seconds, of the server
   */
  update(curve, { now, isOver, range, isLoading }) {
    this.#curve = curve;
    this.#now = now;
    this.#isOver = isOver;
    this.#range = range;
    const isEmpty = !curve.values.some((value) => value !== null);
    const waiting = isOver ? "This job told no progress." : "No progress is known yet.";
    showText(this.#empty, isEmpty ? (isLoading ? "Reading…" : waiting) : "");
    this.#place.hidden = isEmpty;
    setAttribute(this.#place, "aria-label", curveSentence(curve, (at) => axisText(at, 1, 1)));
    const key = [
      this.#earlier?.times.length ? "Dotted: the attempt before, from the same beginning." : "",
      range && !isOver ? "Grey: where the end is expected." : "",
    ];
    showText(this.#key, isEmpty ? "" : key.filter(Boolean).join(" "));
    if (!isEmpty) this.#draw();
  }

  #draw() {
    if (this.#plot) this.#plot.setData(this.#data());
    else if (this.#library && this.#place.clientWidth > 0) this.#make(this.#library);
    else this.#load();
  }

  async #load() {
    if (this.#library || this.#isLoading) return;
    this.#isLoading = true;
    try {
      this.#library = (await import("../vendor/uplot.js")).default;
      this.#draw();
    } catch {
      this.#isLoading = false; // not to be had now: the next drawing asks again
    }
  }

  /** @returns {AlignedData} */
  #data() {
    const { times, values } = this.#curve;
    const last = times.length - 1;
    const isLive = !this.#isOver && this.#now > times[last];
    /** @type {[number[], (number | null)[]]} */
    const own = isLive ? [[...times, this.#now], [...values, values[last]]] : [times, values];
    const earlier = this.#earlier;
    if (!earlier || !earlier.times.length || !times.length) return [own[0], own[1], []];
    const shift = times[0] - earlier.times[0];
    if (!this.#library) return [own[0], own[1], []];
    return this.#library.join([own, [earlier.times.map((at) => at + shift), earlier.values]], [[1, 1], [1, 1]]);
  }

  /** @param {typeof import("../vendor/uplot.js").default} library */
  #make(library) {
    const axis = {
      stroke: () => this.#colours.quiet,
      grid: { stroke: () => this.#colours.line, width: 1 },
      ticks: { show: false },
      font: `12px ${this.#colours.font}`,
    };
    /** @type {Options} */
    const options = {
      ...this.#size(),
      padding: [14, 28, 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 8 } },
      scales: {
        x: { time: true, range: (_, low, high) => this.#reach(low, high) },
        y: { range: () => [0, 100] },
      },
      axes: [
        {
          ...axis,
          size: 28,
          space: 90,
          incrs: TICK_SECONDS,
          values: (plot, splits, _axis, _space, step) =>
            splits.map((at) => axisText(at, step, Number(plot.scales.x.max) - Number(plot.scales.x.min))),
        },
        { ...axis, size: 48, space: 34, values: (_, splits) => splits.map((value) => `${value} %`) },
      ],
      series: [
        {},
        {
          stroke: () => this.#colours.accent,
          fill: () => this.#colours.veil,
          width: 2,
          points: { show: false },
        },
        { stroke: () => this.#colours.edge, dash: [2, 4], width: 1.5, spanGaps: true, points: { show: false } },
      ],
      hooks: {
        drawClear: [(plot) => this.#drawBehind(plot)],
        draw: [(plot) => this.#drawOver(plot)],
        setCursor: [(plot) => this.#read(plot)],
      },
    };
    this.#plot = new library(options, this.#data(), this.#place);
  }

  /**
   * Return how far the time is shown: a little of what is to come, while there is an estimate.
   * @param {number} low
   * @param {number} high
   * @returns {[number, number]}
   */
  #reach(low, high) {
    const begun = this.#curve.times[0] ?? low;
    const end = Math.max(this.#curve.times.at(-1) ?? begun, this.#isOver ? begun : this.#now);
    const passed = Math.max(end - begun, 1);
    const ahead = this.#range ? Math.min(this.#range.high, passed * AHEAD) : 0;
    return [begun, Math.max(end + ahead, begun + 1, Math.min(high, begun + passed * (1 + AHEAD)))];
  }

  /** @param {uPlot} plot */
  #drawBehind(plot) {
    const { ctx, bbox } = plot;
    ctx.save();
    for (const { from, to, condition } of this.#curve.spans) {
      const left = plot.valToPos(from, "x", true);
      const right = plot.valToPos(to ?? (this.#isOver ? from : this.#now), "x", true);
      const width = Math.max(right - left, 2 * devicePixelRatio);
      ctx.fillStyle = condition === "stalled" ? this.#colours.warnTint : this.#colours.badTint;
      ctx.fillRect(left, bbox.top, width, bbox.height);
      ctx.fillStyle = condition === "stalled" ? this.#colours.warn : this.#colours.bad;
      ctx.fillRect(left, bbox.top, width, 3 * devicePixelRatio);
      this.#label(ctx, CONDITION_LABELS[condition], left + 4 * devicePixelRatio, bbox.top + 15 * devicePixelRatio, width);
    }
    this.#drawAhead(plot);
    ctx.restore();
  }

  /** @param {uPlot} plot the estimate, as the fan between the earliest and the latest end */
  #drawAhead(plot) {
    const { ctx } = plot;
    const value = this.#curve.values.at(-1);
    if (!this.#range || this.#isOver || typeof value !== "number") return;
    const at = (/** @type {number} */ x, /** @type {number} */ y) => [
      plot.valToPos(x, "x", true),
      plot.valToPos(y, "y", true),
    ];
    const [x0, y0] = at(this.#now, value);
    const [x1, y1] = at(this.#now + this.#range.low, 100);
    const [x2] = at(this.#now + this.#range.high, 100);
    ctx.save();
    ctx.beginPath();
    ctx.rect(plot.bbox.left, plot.bbox.top, plot.bbox.width, plot.bbox.height);
    ctx.clip();
    ctx.beginPath();
    ctx.moveTo(x0, y0);
    ctx.lineTo(x1, y1);
    ctx.lineTo(x2, y1);
    ctx.closePath();
    ctx.fillStyle = this.#colours.calmTint;
    ctx.fill();
    ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
    ctx.strokeStyle = this.#colours.edge;
    ctx.lineWidth = devicePixelRatio;
    ctx.stroke();
    ctx.restore();
  }

  /** @param {uPlot} plot */
  #drawOver(plot) {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([2 * devicePixelRatio, 3 * devicePixelRatio]);
    for (const { at, kind } of this.#curve.marks) {
      if (kind === "running") continue;
      const x = Math.round(plot.valToPos(at, "x", true));
      ctx.strokeStyle = kind === "succeeded" ? this.#colours.good : this.#colours.bad;
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  }

  /**
   * @param {CanvasRenderingContext2D} ctx
   * @param {string} text
   * @param {number} x
   * @param {number} y
   * @param {number} room
   */
  #label(ctx, text, x, y, room) {
    ctx.font = `${11 * devicePixelRatio}px ${this.#colours.font}`;
    ctx.textAlign = "left";
    if (ctx.measureText(text).width + 8 * devicePixelRatio <= room) ctx.fillText(text, x, y);
  }

  /** @param {uPlot} plot */
  #read(plot) {
    const index = plot.cursor.idx;
    const value = typeof index === "number" ? plot.data[1][index] : null;
    const at = typeof index === "number" ? plot.data[0][index] : 0;
    const span = this.#curve.spans.find(({ from, to }) => from <= at && at <= (to ?? Infinity));
    const mark = this.#curve.marks.find((its) => its.at === at);
    const words = [
      typeof value === "number" ? `${value.toFixed(1)} %` : "",
      typeof value === "number" || span ? axisText(at, 1, 1) : "",
      span ? CONDITION_LABELS[span.condition] : "",
      mark ? STATE_WORDS[/** @type {State} */ (mark.kind)].toLowerCase() : "",
    ];
    this.#readout.textContent = words.filter(Boolean).join(" · ");
  }

  #size() {
    const width = this.#place.clientWidth;
    return { width, height: Math.round(Math.min(Math.max(width * 0.32, 180), 360)) };
  }

  #fit() {
    const size = this.#size();
    if (size.width === 0) return;
    if (!this.#plot) {
      if (this.#curve.times.length) this.#draw();
    } else if (this.#plot.width !== size.width) this.#plot.setSize(size);
  }

  #recolour() {
    this.#colours = coloursOf(document.documentElement);
    this.#plot?.redraw(false, true);
  }
}
