// @ts-check
/** The page of all jobs: puts the list, its filters, its keys and what is told together. */

import { consent } from "../dialog.js";
import { find, pageData, showText } from "../dom.js";
import { EndNotices } from "../end-notices.js";
import { endText, percentText, shortened } from "../format.js";
import { meanProgress } from "../job.js";
import { openPage } from "../page.js";
import { TabIcon } from "../tab-icon.js";
import { JobActions } from "./actions.js";
import { ChangeMarks } from "./change-marks.js";
import { isNarrow } from "./filter.js";
import { listenForKeys } from "./keys.js";
import { JobListElement } from "./list-element.js";
import { JobSheet } from "./sheet.js";
import { Selection } from "./selection.js";
import { Source } from "./source.js";
import { JobStore } from "./store.js";
import { Toolbar } from "./toolbar.js";

/** @typedef {import("../protocol.js").Snapshot} Snapshot */
/** @typedef {{ user: string | null, backends: Record<string, string>, jobs: Snapshot[] }} PageData */

/** @type {PageData} */
const { user, backends, jobs } = pageData("board");
const pageTitle = document.title;

const { client, announcer, complain } = openPage();
const toolbar = new Toolbar(find(document, "#filters", HTMLFormElement), (wanted) => {
  source.want(wanted);
  scrollTo(0, 0);
});
const store = new JobStore(toolbar.wanted, user);
store.put(jobs);
const source = new Source(client, store, () => describe());
const actions = new JobActions(client, store);
const marks = new ChangeMarks(client);
const notices = new EndNotices(user);
const icon = new TabIcon();
const selection = new Selection(find(document, "#selection", HTMLElement), store, actions);

const list = new JobListElement();
list.store = store;
list.viewOf = (/** @type {Snapshot} */ { job, backend }) => ({
  backend: backends[backend] ?? backend,
  isSelected: selection.jobs.has(job),
  isBusy: actions.isBusy(job),
  notice: actions.noticeOf(job),
  mark: marks.of(job),
  isAwaited: notices.isFor(job),
});
for (const part of [selection, actions, marks]) {
  part.addEventListener("change", () => list.requestUpdate());
}
find(document, "#plain", HTMLElement).replaceWith(list);

const sheet = new JobSheet(find(document, "#sheet", HTMLElement), store, client, (job) => {
  list.reveal(job);
});

const count = find(document, "#count", HTMLElement);
const empty = find(document, "#empty", HTMLElement);
const nothingFits = find(document, "#nothing-fits", HTMLElement);
const more = find(document, "#more", HTMLButtonElement);
const all = find(document, "#select-all", HTMLInputElement);

/** Say in the page's title, and above the list, what runs. */
function describe() {
  const { length } = store.shown;
  const active = store.shown.filter((job) => !job.complete).length;
  const mean = meanProgress(store.shown);
  const isInNeed = store.shown.some((job) => !job.complete && job.condition !== "ok");
  icon.show(mean, isInNeed);
  document.title = [percentText(mean), pageTitle].filter(Boolean).join(" · ");
  showText(count, active ? `${active} in progress` : "");
  const isNarrowed = isNarrow(store.wanted);
  empty.hidden = length > 0 || isNarrowed;
  nothingFits.hidden = length > 0 || !isNarrowed || source.hasMore;
  more.hidden = !source.hasMore;
  all.checked = length > 0 && selection.jobs.size >= length;
  all.indeterminate = selection.jobs.size > 0 && !all.checked;
}

async function loadMore() {
  more.setAttribute("aria-disabled", "true");
  try {
    await source.loadMore();
  } catch (error) {
    if (client.isOnline) complain(/** @type {Error} */ (error).message);
  } finally {
    more.removeAttribute("aria-disabled");
  }
}

/** @param {string} job */
async function cancelIfSure(job) {
  const known = store.jobs.get(job);
  if (!known?.can.includes("cancel")) return;
  const question = `Cancel “${shortened(known.title, 80)}”?`;
  const details = "What it has done so far may be lost.";
  if (await consent(question, details, "Cancel the job")) actions.ask(job, "cancel");
}

/** @param {string} job */
async function tellOfEnd(job) {
  if (store.jobs.get(job)?.complete) return;
  complain(await notices.toggle(job));
  list.requestUpdate();
}

/** @type {Record<string, (job: string, target: HTMLElement) => void>} by `data-does` */
const does = {
  select: (job) => selection.toggle(job),
  edit: (job) => sheet.open(job),
  pin: (job) => actions.togglePin(job),
  cancel: (job) => actions.ask(job, "cancel"),
  retry: (job) => actions.ask(job, "retry"),
  tell: tellOfEnd,
  label: (_, target) => toolbar.want({ label: target.dataset.label }),
};
list.addEventListener("click", (event) => {
  const target = event.target instanceof Element ? event.target.closest("[data-does]") : null;
  const row = target?.closest("[data-job]");
  if (!(target instanceof HTMLElement) || !(row instanceof HTMLElement)) return;
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (target instanceof HTMLAnchorElement) event.preventDefault();
  does[target.dataset.does ?? ""]?.(row.dataset.job ?? "", target);
});
list.addEventListener("near-end", () => void loadMore());
more.addEventListener("click", () => void loadMore());
all.addEventListener("change", () => (all.checked ? selection.all() : selection.clear()));

store.addEventListener("change", () => describe());
selection.addEventListener("change", () => describe());
store.addEventListener("end", (event) => {
  const { detail } = /** @type {CustomEvent<Snapshot>} */ (event);
  announcer.tell(endText(detail));
  notices.tell(detail);
});

const tellMine = document.querySelector("#tell-mine");
if (tellMine instanceof HTMLInputElement) {
  tellMine.checked = notices.isForMine;
  tellMine.addEventListener("change", async () => {
    complain(await notices.wishForMine(tellMine.checked));
  });
}

const help = find(document, "#help", HTMLDialogElement);
const withCurrent = (/** @type {(job: string) => void} */ act) => () => {
  if (list.current !== null && store.indexOf(list.current) >= 0) act(list.current);
};
listenForKeys(
  {
    "/": () => toolbar.focusSearch(),
    j: () => list.move(1),
    k: () => list.move(-1),
    c: withCurrent(cancelIfSure),
    x: withCurrent((job) => selection.toggle(job)),
    e: withCurrent((job) => sheet.open(job)),
    p: withCurrent((job) => actions.togglePin(job)),
    n: withCurrent(tellOfEnd),
    r: withCurrent((job) => actions.ask(job, "retry")),
    Enter: withCurrent((job) => location.assign(`/jobs/${job}`)),
    Escape: () => selection.clear(),
    "?": () => help.showModal(),
  },
  help,
);
find(document, "#help-button", HTMLElement).addEventListener("click", () => help.showModal());
describe();
client.connect();
