// @ts-check
/** The page of all jobs: connects the client, the list, the form and what is told beside them. */

import { find, pageData, showText } from "./dom.js";
import { endText, percentText, shortened } from "./format.js";
import { JobList } from "./job-list.js";
import { FeedSource } from "./job-source.js";
import { meanProgress } from "./job.js";
import { openPage } from "./page.js";
import { StartForm } from "./start-form.js";

/** @typedef {import("./protocol.js").Snapshot} Snapshot */
/** @typedef {import("./start-form.js").Backend} Backend */

/** @type {Backend[]} */
const backends = pageData("backends");
/** @type {Snapshot[]} */
const jobs = pageData("jobs");
const pageTitle = document.title;

const { client, announcer, complain } = openPage();
const count = find(document, "#count", HTMLElement);
const empty = find(document, "#empty", HTMLElement);

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

list.put(jobs);
const more = find(document, "#more", HTMLButtonElement);
const source = new FeedSource(client, list, (hasMore) => (more.hidden = !hasMore));
more.addEventListener("click", async () => {
  more.setAttribute("aria-disabled", "true");
  try {
    await source.loadMore();
  } catch (error) {
    complain(/** @type {Error} */ (error).message);
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
client.connect();
