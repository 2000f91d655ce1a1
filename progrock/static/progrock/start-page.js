// @ts-check
/** The page `/start`: the form, filled by its address, by a job or by what was sent last. */

import { find, make, pageData, showText } from "./dom.js";
import { copyText } from "./form/copying.js";
import { linkTo, paramsIn } from "./form/link.js";
import { forget } from "./form/memory.js";
import { withoutSecrets } from "./form/schema.js";
import { shortened } from "./format.js";
import { openPage } from "./page.js";
import { StartForm } from "./start-form.js";

/** @typedef {import("./start-form.js").Backend} Backend */
/** @typedef {{ job: string, backend: string, title: string, params: Record<string, unknown> }} Retry */

const COPIED_MS = 2000;

/** @type {Backend[]} */
const backends = pageData("backends");
/** @type {Retry | null} */
const retry = pageData("retry");
const query = new URLSearchParams(location.search);

const { client, announcer } = openPage();
const form = find(document, "#start-form", HTMLFormElement);
const note = find(document, "#filled", HTMLElement);
const unreachable = find(document, "#unreachable", HTMLElement);
const request = find(document, "#request", HTMLElement);
const heading = document.title;

const starting = new StartForm(
  form,
  client,
  backends,
  (job) => {
    announcer.tell(`${shortened(job.title, 80)} started`);
    location.assign(`/jobs/${job.job}`);
  },
  {
    hasMemory: !retry,
    retryOf: retry?.job,
    onDraw: (isRecalled) => {
      note.hidden = !isRecalled;
      queueMicrotask(describe); // not before the form is made
    },
    tell: (sentence) => announcer.tell(sentence),
  },
);

/** Say what would be sent, and whether the backend is there. */
function describe() {
  const { backend, filled } = starting;
  const body = bodyOf(filled.params, filled.title);
  request.textContent = JSON.stringify(body, null, 2);
  showText(
    unreachable,
    backend?.condition === "unreachable"
      ? "This backend does not answer just now. A start waits until it does."
      : "",
  );
  document.title = backend ? `Start ${backend.title} · ProgRock` : heading;
}

/**
 * @param {Record<string, unknown>} params
 * @param {string} title
 */
function bodyOf(params, title) {
  const { backend } = starting;
  const shown = withoutSecrets(params, backend?.params ?? {});
  const named = title ? { title } : {};
  if (retry) return { params: shown, replace: true, ...named };
  return { backend: backend?.name, params: shown, ...named };
}

/** @returns {string} */
function curl() {
  const { filled } = starting;
  const path = retry ? `jobs/${retry.job}/retry` : "jobs";
  const body = JSON.stringify(bodyOf(filled.params, filled.title));
  const token = form.dataset.signedIn ? `  -H "Authorization: Bearer $PROGROCK_TOKEN" \\\n` : "";
  return (
    `curl ${quoted(new URL(`/api/v1/${path}`, location.href).href)} \\\n${token}` +
    `  -H 'Content-Type: application/json' \\\n  -d ${quoted(body)}\n`
  );
}

/** @param {string} text for a shell */
function quoted(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/**
 * @param {string} id
 * @param {() => string} make
 */
function copyOn(id, make) {
  const button = find(document, `#${id}`, HTMLButtonElement);
  const label = button.textContent;
  button.addEventListener("click", async () => {
    const isCopied = await copyText(make());
    button.textContent = isCopied ? "Copied" : "Not copied";
    announcer.tell(isCopied ? "Copied" : "The browser does not let this page copy");
    setTimeout(() => (button.textContent = label), COPIED_MS);
  });
}

const named = query.get("backend");
const isFilled = [...query.keys()].some((name) => name !== "backend" && name !== "retry");
const wanted = backends.find(({ name }) => name === (retry?.backend ?? named));
if (wanted && (retry || isFilled)) {
  const given = paramsIn(query, wanted.params);
  starting.fill({
    backend: wanted.name,
    title: query.get("title") ?? retry?.title ?? "",
    params: { ...retry?.params, ...given },
  });
} else if (named && !wanted) {
  const missing = make("p", { class: "alert", role: "alert" }, `There is no backend “${shortened(named, 60)}”. Choose one.`);
  form.before(missing);
}

form.addEventListener("input", describe);
form.addEventListener("change", describe);
find(document, "#reset", HTMLButtonElement).addEventListener("click", () => {
  if (starting.backend) forget(starting.backend.name);
  starting.fill({});
  find(form, '[name="title"]', HTMLInputElement).focus();
  announcer.tell("All fields have their defaults again");
});
copyOn("copy-link", () => {
  const { backend, filled } = starting;
  const link = retry ? `/start?retry=${retry.job}` : linkTo(filled, backend?.params ?? {});
  return new URL(link, location.href).href;
});
copyOn("copy-curl", curl);
describe();
client.connect();
