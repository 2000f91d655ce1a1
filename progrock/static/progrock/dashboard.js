// @ts-check
/** The page: connects the client, the list, the form and what is told beside them. */

import { Announcer } from "./announcer.js";
import { keepBanner } from "./banner.js";
import { find, pageData, showText } from "./dom.js";
import { endText, percentText, shortened } from "./format.js";
import { JobList } from "./job-list.js";
import { FeedSource, followJob } from "./job-source.js";
import { meanProgress } from "./job.js";
import { ProgRock } from "./progrock.js";
import { StartForm } from "./start-form.js";

/** @typedef {import("./progrock.js").ProgRockError} ProgRockError */
/** @typedef {import("./protocol.js").Snapshot} Snapshot */
/** @typedef {import("./start-form.js").Backend} Backend */

/** @type {Backend[]} */
const backends = pageData("backends");
/** @type {Snapshot[]} */
const jobs = pageData("jobs");
const focused = document.body.dataset.focus;
const pageTitle = document.title;

const client = new ProgRock();
const announcer = new Announcer(find(document, "#announcer", HTMLElement));
const count = find(document, "#count", HTMLElement);
const empty = find(document, "#empty", HTMLElement);
const problem = find(document, "#problem", HTMLElement);

const list = new JobList({
  list: find(document, "#jobs-list", HTMLElement),
  template: find(document, "#job-template", HTMLTemplateElement),
  backendTitles: new Map(backends.map(({ name, title }) => [name, title])),
  cancel: (job) => client.cancel(job),
  onEnd: (job) => announcer.tell(endText(job)),
  onChange: () => describe(),
});

/** Say in the page's title, and above the list, what runs. */
function describe() {
  const all = [...list.jobs.values()];
  const active = all.filter((job) => !job.complete).length;
  const progress = percentText(meanProgress(all));
  document.title = [progress, pageTitle].filter(Boolean).join(" · ");
  showText(count, active ? `${active} in progress` : "");
  empty.hidden = all.length > 0;
}

keepBanner(find(document, "#banner", HTMLElement), client);
client.addEventListener("refused", (event) => {
  const { code, message } = /** @type {CustomEvent<ProgRockError>} */ (event).detail;
  if (code !== "not_authenticated") showText(problem, message); // the banner says how to sign in
});
client.addEventListener("online", () => showText(problem, ""));
list.put(jobs);

if (focused) {
  for (const job of jobs) followJob(client, list, job);
} else {
  const more = find(document, "#more", HTMLButtonElement);
  const source = new FeedSource(client, list, (hasMore) => (more.hidden = !hasMore));
  more.addEventListener("click", async () => {
    more.setAttribute("aria-disabled", "true");
    try {
      await source.loadMore();
    } catch (error) {
      showText(problem, /** @type {Error} */ (error).message);
    } finally {
      more.removeAttribute("aria-disabled");
    }
  });
  new StartForm(find(document, "#start-form", HTMLFormElement), client, backends, (job) => {
    list.put([job]);
    list.reveal(job.job);
    announcer.tell(`${shortened(job.title, 80)} started`);
    client.unwatch(job.job).catch(() => {}); // the feed tells of it
  });
}
client.connect();
