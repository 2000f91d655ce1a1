// @ts-check
/** What happened to a job, in the words of people: the events, with progress gathered. Pure. */

import { CONDITION_WORDS, STATE_WORDS, percentText } from "../format.js";

/** @typedef {import("./event-log.js").KeptEvent} KeptEvent */
/** @typedef {import("../protocol.js").Condition} Condition */
/** @typedef {import("../protocol.js").State} State */

/**
 * One line of the timeline. `kind` names its mark, `text` says it, and `quote` is what somebody
 * or the backend said. `until` is set where it tells of more than a moment.
 * @typedef {object} Entry
 * @property {number} seq
 * @property {string} kind
 * @property {string} text
 * @property {string} at
 * @property {string} [until]
 * @property {string} [quote]
 */

/** @type {Record<string, string>} */
const FIELD_WORDS = { title: "title", note: "note", labels: "labels", pinned: "pin" };

/**
 * Return the timeline of events in their order, the first first.
 * @param {readonly KeptEvent[]} events
 * @returns {Entry[]}
 */
export function timelineOf(events) {
  /** @type {Entry[]} */
  const entries = [];
  /** @type {KeptEvent[]} */
  let run = []; // progress and log lines in a row
  const close = () => {
    const isMoving = run.filter(({ type }) => type === "progress");
    const isLog = run.filter(({ type }) => type === "log");
    if (isMoving.length) entries.push(gatheredProgress(isMoving));
    if (isLog.length) entries.push(gatheredLog(isLog));
    run = [];
  };
  /** @type {KeptEvent | null} */
  let before = null;
  for (const event of events) {
    if (event.type === "progress" || event.type === "log") run.push(event);
    else {
      close();
      entries.push(...told(event, before));
    }
    before = event;
  }
  close();
  return entries;
}

/**
 * @param {KeptEvent[]} events of progress, in a row
 * @returns {Entry}
 */
function gatheredProgress(events) {
  const [first, last] = [events[0], events[events.length - 1]];
  const [from, to] = [percentText(first.progress), percentText(last.progress)];
  const words = from === to || !from ? to : `${from} to ${to}`;
  return { ...span(first, last), kind: "progress", text: words || "Progress", quote: last.message ?? undefined };
}

/**
 * @param {KeptEvent[]} events with lines of log, in a row
 * @returns {Entry}
 */
function gatheredLog(events) {
  const count = events.reduce((sum, { lines }) => sum + (lines?.length ?? 0), 0);
  const text = count === 1 ? "1 line of log" : `${count} lines of log`;
  return { ...span(events[0], events[events.length - 1]), kind: "log", text };
}

/**
 * @param {KeptEvent} first
 * @param {KeptEvent} last
 */
function span(first, last) {
  return { seq: first.seq, at: first.at, until: last === first ? undefined : last.at };
}

/**
 * @param {KeptEvent} event
 * @param {KeptEvent | null} before
 * @returns {Entry[]}
 */
function told(event, before) {
  const { seq, at, state } = event;
  switch (event.type) {
    case "comment":
      return [
        { seq, at, kind: "comment", text: `${nameOf(event.comment?.author)} said`, quote: event.comment?.text },
      ];
    case "edited":
      return [{ seq, at, kind: "edited", ...editOf(event) }];
    case "complete":
      return [
        { seq, at, kind: state, text: STATE_WORDS[state] ?? state, quote: reasonOf(event) },
      ];
    default:
      return changesOf(event, before);
  }
}

/**
 * Return what changed of state and condition: both may have, at once.
 * @param {KeptEvent} event
 * @param {KeptEvent | null} before
 * @returns {Entry[]}
 */
function changesOf({ seq, at, state, condition, message }, before) {
  /** @type {Entry[]} */
  const entries = [];
  const quote = message ?? undefined;
  if (seq === 1) entries.push({ seq, at, kind: "pending", text: "Created" });
  else if (state !== before?.state) {
    entries.push({ seq, at, kind: state, text: STATE_WORDS[state] ?? state, quote });
  }
  const wasTroubled = before !== null && before.condition !== "ok";
  if (condition !== "ok" && condition !== before?.condition) {
    entries.push({ seq, at, kind: condition, text: CONDITION_WORDS[condition] ?? condition });
  } else if (condition === "ok" && wasTroubled) {
    const text = before.condition === "stalled" ? "It moves again" : "The backend answers again";
    entries.push({ seq, at, kind: "recovered", text });
  }
  if (entries.length === 0) entries.push({ seq, at, kind: state, text: STATE_WORDS[state] ?? state });
  return entries;
}

/** @param {KeptEvent} event */
function editOf(event) {
  const set = event.set ?? {};
  const who = nameOf(event.by);
  if (set.pinned !== undefined && Object.keys(set).length === 1) {
    return { text: `${who} ${set.pinned ? "pinned" : "unpinned"} it` };
  }
  const fields = Object.keys(set).map((field) => FIELD_WORDS[field] ?? field);
  const quote = set.title ?? set.note ?? set.labels?.join(", ");
  return { text: `${who} changed the ${fields.join(", ")}`, quote: quote || undefined };
}

/** @param {KeptEvent} event */
function reasonOf({ state, error }) {
  return state === "succeeded" || state === "cancelled" ? undefined : error?.message;
}

/** @param {string | null | undefined} name */
export function nameOf(name) {
  return name || "Somebody";
}
