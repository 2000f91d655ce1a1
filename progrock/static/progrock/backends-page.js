// @ts-check
/**
 * The page of the backends: asks for their figures again and again while it is seen, at a bounded
 * rate whatever happens, and says how old they are when no answer comes.
 */

import { Announcer } from "./announcer.js";
import { card } from "./backends-page/card.js";
import { KINDS, healthOf } from "./backends-page/health.js";
import { find, pageData, showText } from "./dom.js";
import { clockText } from "./format.js";
import { html, render, repeat } from "./vendor/lit.js";

/** @typedef {import("./backends-page/health.js").Backend} Backend */

const EVERY_MS = 3000;
const LONGEST_MS = 30_000;
const ANSWER_MS = 10_000;

const place = find(document, "#backends", HTMLElement);
const summary = find(document, "#summary", HTMLElement);
const problem = find(document, "#problem", HTMLElement);
const announcer = new Announcer(find(document, "#announcer", HTMLElement));
const pageTitle = document.title;

/** @type {Backend[]} */
let backends = pageData("backends-data");
/** @type {Map<string, string>} words by name, as they were told last */
const told = new Map();
let pauseMs = EVERY_MS;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
let isAsking = false;

function draw() {
  const all = backends.map((backend) => ({ backend, health: healthOf(backend) }));
  const sorted = [...all].sort((one, other) => rank(one) - rank(other));
  render(
    html`${repeat(
      sorted,
      ({ backend }) => backend.name,
      ({ backend }) => card(backend),
    )}`,
    place,
  );
  const troubled = all.filter(({ health }) => ["down", "failing", "late"].includes(health.kind));
  const names = troubled.map(({ backend, health }) => `${backend.title}: ${health.word.toLowerCase()}`);
  showText(summary, summaryText(troubled.length, all.length));
  document.title = troubled.length ? `(${troubled.length}) ${names[0]} · ${pageTitle}` : pageTitle;
  for (const { backend, health } of all) {
    const before = told.get(backend.name);
    if (before !== undefined && before !== health.word) announcer.tell(`${backend.title}: ${health.word}`);
    told.set(backend.name, health.word);
  }
}

/** @param {{ health: import("./backends-page/health.js").Health }} backend */
function rank({ health }) {
  return KINDS.indexOf(health.kind);
}

/**
 * @param {number} troubled
 * @param {number} count
 */
function summaryText(troubled, count) {
  const at = backends[0] ? ` · as of ${clockText(new Date(backends[0].figures.at))}` : "";
  const of = count === 1 ? "The backend" : `All ${count} backends`;
  if (!troubled) return `${of} ${count === 1 ? "is" : "are"} well${at}`;
  return `${troubled} of ${count} ${troubled === 1 ? "needs" : "need"} a look${at}`;
}

async function ask() {
  if (isAsking) return;
  isAsking = true;
  const patience = new AbortController();
  const end = setTimeout(() => patience.abort(), ANSWER_MS);
  try {
    const options = { headers: { Accept: "application/json" }, signal: patience.signal };
    const answer = await fetch("/api/v1/backends?figures=true", options);
    if (answer.status === 401) {
      pauseMs = LONGEST_MS;
      showText(problem, "You are not signed in any longer. Sign in, and read this page again.");
      return;
    }
    if (!answer.ok) throw new Error(`The server answers with ${answer.status}.`);
    backends = (await answer.json()).backends;
    pauseMs = EVERY_MS;
    showText(problem, "");
    draw();
  } catch {
    pauseMs = Math.min(2 * pauseMs, LONGEST_MS);
    const at = backends[0] ? `; these figures are of ${clockText(new Date(backends[0].figures.at))}` : "";
    showText(problem, `The server does not answer${at}. It is asked again by itself.`);
  } finally {
    clearTimeout(end);
    isAsking = false;
    wait();
  }
}

function wait() {
  clearTimeout(timer);
  if (document.visibilityState === "visible") timer = setTimeout(ask, pauseMs);
}

document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") ask();
  else clearTimeout(timer);
});
window.addEventListener("online", () => ask());
draw();
wait();
