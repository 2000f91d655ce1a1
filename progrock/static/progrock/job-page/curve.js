// @ts-check
/** A job's progress over time, as a plot draws it. Times are Unix seconds. Pure. */

/** @typedef {import("./event-log.js").KeptEvent} KeptEvent */
/** @typedef {import("../protocol.js").Condition} Condition */

/** @typedef {{ from: number, to: number | null, condition: Condition }} Span `to` null: it lasts */
/** @typedef {{ at: number, kind: string }} Mark a moment: running, cancelling, or how it ended */

/**
 * @typedef {object} Curve
 * @property {number[]} times rising
 * @property {(number | null)[]} values 0 to 100; null where it was unknown
 * @property {Span[]} spans in which the job was not ok
 * @property {Mark[]} marks
 */

const MOST_POINTS = 2000;
const MARKED = new Set(["running", "cancelling", "succeeded", "failed", "cancelled", "timed_out"]);

/**
 * Return the curve of events in their order.
 * @param {readonly KeptEvent[]} events
 * @returns {Curve}
 */
export function curveOf(events) {
  /** @type {Curve} */
  const curve = { times: [], values: [], spans: [], marks: [] };
  /** @type {KeptEvent | null} */
  let before = null;
  for (const event of events) {
    if (before?.complete) break; // what is said after the end moves nothing
    const at = Math.max(Date.parse(event.at) / 1000, curve.times.at(-1) ?? 0);
    place(curve, at, event.progress);
    if (event.condition !== (before?.condition ?? "ok")) {
      const open = curve.spans.at(-1);
      if (open && open.to === null) open.to = at;
      if (event.condition !== "ok") curve.spans.push({ from: at, to: null, condition: event.condition });
    }
    if (event.state !== before?.state && MARKED.has(event.state)) {
      curve.marks.push({ at, kind: event.state });
    }
    before = event;
  }
  return thinned(curve);
}

/**
 * @param {Curve} curve
 * @param {number} at
 * @param {number | null} value
 */
function place(curve, at, value) {
  const { times, values } = curve;
  if (times.at(-1) === at) {
    values[values.length - 1] = value;
    return;
  }
  times.push(at);
  values.push(value);
}

/**
 * Return the curve with at most so many points as a screen can show; the first and last stay.
 * @param {Curve} curve
 * @returns {Curve}
 */
function thinned(curve) {
  const { times, values } = curve;
  const every = Math.ceil(times.length / MOST_POINTS);
  if (every < 2) return curve;
  const isKept = (/** @type {unknown} */ _, /** @type {number} */ index) =>
    index % every === 0 || index === times.length - 1;
  return { ...curve, times: times.filter(isKept), values: values.filter(isKept) };
}

/**
 * Return how fast a job goes, as of its latest events: units a second where it counts, else per
 * cent a second. Null where nothing can be said: it has ended, or too little is known.
 * @param {readonly KeptEvent[]} events
 * @param {number} now Unix seconds, of the server
 * @returns {{ perSecond: number, unit: string | null } | null} `unit` "%" for progress alone
 */
export function rateOf(events, now) {
  const last = events.at(-1);
  if (!last || last.complete || last.state !== "running" || last.condition !== "ok") return null;
  const counts = typeof last.current === "number";
  const figure = (/** @type {KeptEvent} */ event) =>
    (counts ? event.current : event.progress) ?? null;
  const begun = events.findIndex((event) => event.state === "running" && figure(event) !== null);
  if (begun < 0) return null;
  const first = Date.parse(events[begun].at) / 1000;
  const since = now - Math.max((now - first) / 4, 20); // the last quarter, and 20 s at least
  let from = events.length - 1;
  const isLate = () =>
    Date.parse(events[from].at) / 1000 > since || figure(events[from]) === figure(last);
  while (from > begun && isLate()) from -= 1;
  const start = Date.parse(events[from].at) / 1000;
  const moved = Number(figure(last)) - Number(figure(events[from]));
  if (now - start < 1 || moved <= 0) return null;
  return { perSecond: moved / (now - start), unit: counts ? (last.unit ?? null) : "%" };
}

/**
 * Return a plot in a sentence, for those who do not see it.
 * @param {Curve} curve
 * @param {(at: number) => string} clock
 */
export function curveSentence({ times, values, spans }, clock) {
  const known = values.map((value, index) => ({ value, at: times[index] })).filter(({ value }) => value !== null);
  const first = known[0];
  const last = known.at(-1);
  if (!first || !last) return "No progress is known.";
  const figure = (/** @type {number | null} */ value) => `${Math.floor(Number(value))} %`;
  const way = `Progress from ${figure(first.value)} at ${clock(first.at)} to ${figure(last.value)} at ${clock(last.at)}.`;
  const stalls = spans.filter(({ condition }) => condition === "stalled").length;
  const losses = spans.length - stalls;
  const times_ = (/** @type {number} */ count) => (count === 1 ? "once" : `${count} times`);
  const trouble = [
    stalls ? `Nothing moved ${times_(stalls)}.` : "",
    losses ? `The backend did not answer ${times_(losses)}.` : "",
  ];
  return [way, ...trouble].filter(Boolean).join(" ");
}
