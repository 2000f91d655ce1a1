// @ts-check
/** The same job from elsewhere: as a shell command, Python, a WebSocket message, an HTML tag. Pure. */

/** @typedef {import("../protocol.js").Snapshot} Snapshot */
/** @typedef {"watch" | "start"} Purpose */
/** @typedef {{ name: string, text: string }} Snippet */

/**
 * Return how to watch a job, or how to start another one like it.
 * @param {Pick<Snapshot, "job" | "backend" | "title" | "params" | "labels">} job
 * @param {Purpose} purpose
 * @param {string} site its address, with a slash at the end
 * @returns {Snippet[]}
 */
export function snippetsOf(job, purpose, site) {
  return purpose === "watch" ? watching(job.job, site) : starting(job, site);
}

/**
 * @param {string} job
 * @param {string} site
 * @returns {Snippet[]}
 */
function watching(job, site) {
  return [
    { name: "curl", text: `curl -N -H 'Accept: text/event-stream' \\\n  ${shell(`${site}api/v1/jobs/${job}/events`)}` },
    {
      name: "Python",
      text: [
        "from progrock.client import Client",
        "",
        `with Client(${python(site)}) as client:`,
        `    job = client.job(${python(job)})`,
        "    for event in job:",
        "        print(event.progress, event.message)",
      ].join("\n"),
    },
    { name: "WebSocket", text: JSON.stringify({ action: "watch", job }) },
    {
      name: "HTML",
      text: [
        `<script type="module" src="${markup(`${site}static/progrock/job-element-define.js`)}"></script>`,
        `<progrock-job job="${markup(job)}"></progrock-job>`,
      ].join("\n"),
    },
  ];
}

/**
 * @param {Pick<Snapshot, "backend" | "title" | "params" | "labels">} job
 * @param {string} site
 * @returns {Snippet[]}
 */
function starting({ backend, title, params, labels }, site) {
  const body = { backend, params, title, ...(labels.length ? { labels } : {}) };
  const call = [
    python(backend),
    `title=${python(title)}`,
    ...(labels.length ? [`labels=${python(labels)}`] : []),
    `params=${python(params)}`,
  ];
  return [
    {
      name: "curl",
      text: [
        `curl ${shell(`${site}api/v1/jobs`)} \\`,
        "  -H 'Content-Type: application/json' \\",
        `  -d ${shell(JSON.stringify(body))}`,
      ].join("\n"),
    },
    {
      name: "Python",
      text: [
        "from progrock.client import Client",
        "",
        `with Client(${python(site)}) as client:`,
        `    job = client.start(${call.join(", ")})`,
        "    print(job.result())",
      ].join("\n"),
    },
    { name: "WebSocket", text: JSON.stringify({ action: "start", ...body }) },
    {
      name: "HTML",
      text: [
        `<script type="module" src="${markup(`${site}static/progrock/start-element-define.js`)}"></script>`,
        `<progrock-start backend="${markup(backend)}" job-title="${markup(title)}"`,
        `  params="${markup(JSON.stringify(params))}" label="Start"></progrock-start>`,
      ].join("\n"),
    },
  ];
}

/**
 * Quote a text for a POSIX shell.
 * @param {string} text
 */
function shell(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/**
 * Write a JSON value as Python does.
 * @param {unknown} value
 * @returns {string}
 */
function python(value) {
  if (value === null || value === undefined) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  if (typeof value === "object") {
    const pairs = Object.entries(value).map(([name, item]) => `${python(name)}: ${python(item)}`);
    return `{${pairs.join(", ")}}`;
  }
  return JSON.stringify(value); // Python reads JSON's strings and numbers as they are
}

/**
 * Quote a text for an attribute between double quotes.
 * @param {string} text
 */
function markup(text) {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll('"', "&quot;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;");
}
