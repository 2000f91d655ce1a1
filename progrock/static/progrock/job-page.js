// @ts-check
/** The page of one job: connects the client and its one row. */

import { find, pageData } from "./dom.js";
import { endText, percentText } from "./format.js";
import { JobList } from "./job-list.js";
import { followJob } from "./job-source.js";
import { meanProgress } from "./job.js";
import { openPage } from "./page.js";

/** @typedef {import("./protocol.js").Snapshot} Snapshot */

/** @type {{ name: string, title: string }[]} */
const backends = pageData("backends");
/** @type {Snapshot[]} */
const jobs = pageData("jobs");
const pageTitle = document.title;
const { client, announcer } = openPage();
const empty = find(document, "#empty", HTMLElement);

const list = new JobList({
  list: find(document, "#jobs-list", HTMLElement),
  template: find(document, "#job-template", HTMLTemplateElement),
  backendTitles: new Map(backends.map(({ name, title }) => [name, title])),
  cancel: (job) => client.cancel(job),
  onEnd: (job) => announcer.tell(endText(job)),
  onChange: () => {
    const all = [...list.jobs.values()];
    document.title = [percentText(meanProgress(all)), pageTitle].filter(Boolean).join(" · ");
    empty.hidden = all.length > 0;
  },
});

list.put(jobs);
for (const job of jobs) followJob(client, list, job);
client.connect();
