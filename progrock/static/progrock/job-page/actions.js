// @ts-check
/** What somebody can do to a job on its page, and what of it is under way. */

import { CommentBox } from "./comments-view.js";
import { CopyDialog } from "./copy-dialog.js";
import { EndNotices } from "../end-notices.js";
import { AS_LABELS, FieldEdit } from "../field-edit.js";
import { ShareDialog } from "./share-dialog.js";

/** @typedef {import("../progrock.js").ProgRock} ProgRock */
/** @typedef {import("../protocol.js").Snapshot} Snapshot */
/** @typedef {import("./fields-view.js").FieldPlace} FieldPlace */
/** @typedef {import("./model.js").JobModel} JobModel */
/** @typedef {import("./page.js").Setting} Setting */
/** @typedef {import("./site-api.js").SiteApi} SiteApi */

export class JobActions {
  /** Whether the timeline shows all that there is. */
  isTimelineWhole = false;
  /** Why the last action failed; "" where nothing did. */
  notice = "";
  /** Whether the visitor comes by a share link, and may look alone. */
  isGuest;
  comment;
  notices = new EndNotices(document.querySelector(".account-name")?.textContent ?? null);
  copies = new CopyDialog(new URL("/", location.href).href);
  shares;
  #setting;
  #client;
  #model;
  #onChange;
  #fields;
  /** @type {Set<string>} */
  #busy = new Set();
  #retryKey = newKey(); // kept until an answer came: a retry whose answer was lost starts one job

  /**
   * @param {Setting} setting
   * @param {{ client: ProgRock, model: JobModel, api: SiteApi, isGuest: boolean }} means
   * @param {() => void} onChange
   */
  constructor(setting, { client, model, api, isGuest }, onChange) {
    const { job } = setting;
    this.isGuest = isGuest;
    this.#setting = setting;
    this.#client = client;
    this.#model = model;
    this.#onChange = onChange;
    this.shares = new ShareDialog((seconds) => api.share(seconds));
    this.comment = new CommentBox((text) => client.comment(job, text), onChange);
    /** @type {import("../field-edit.js").Save} */
    const save = (set, version) => client.edit(job, set, version);
    this.#fields = {
      title: new FieldEdit("title", save, onChange),
      note: new FieldEdit("note", save, onChange),
      labels: new FieldEdit("labels", save, onChange, AS_LABELS),
    };
  }

  /**
   * Tell the fields that are being edited what the job is now.
   * @param {Snapshot} job
   */
  see(job) {
    for (const field of Object.values(this.#fields)) field.see({ ...job });
  }

  /**
   * Return what a field is drawn with.
   * @param {"title" | "note" | "labels"} name
   * @param {Snapshot} job
   * @returns {FieldPlace}
   */
  place(name, job) {
    const mayEdit = job.can.includes("edit");
    return { edit: this.#fields[name], job, mayEdit, mark: this.#model.marks.get(name) };
  }

  /** @param {string} name of a backend */
  backendTitle(name) {
    return this.#setting.backends[name] ?? name;
  }

  /**
   * Return where a job is started anew with other parameters; "" where there is no such page.
   * @param {Snapshot} job
   */
  retryPage({ backend, job }) {
    const { start } = this.#setting;
    return start && `${start}?${new URLSearchParams({ backend, retry: job })}`;
  }

  /** @param {string} what */
  isBusy(what) {
    return this.#busy.has(what);
  }

  cancel = () => {
    if (!this.#model.job?.can.includes("cancel")) return;
    this.#do("cancel", () => this.#client.cancel(this.#setting.job));
  };

  retry = () =>
    this.#do("retry", async () => {
      const { job } = await this.#client.retry(this.#setting.job, { key: this.#retryKey });
      this.#retryKey = newKey();
      location.assign(`/jobs/${job}`);
    });

  pin = () => {
    const { job } = this.#model;
    if (job) this.#do("pin", () => this.#client.edit(job.job, { pinned: !job.pinned }));
  };

  /** Whether the browser shall tell of the job's end. */
  get isAwaited() {
    return this.notices.isFor(this.#setting.job);
  }

  awaitEnd = () => {
    const { job } = this.#setting;
    return this.#do("await", async () => {
      this.notice = await this.notices.toggle(job);
    });
  };

  share = () => this.shares.open();

  copy = () => {
    if (this.#model.job) this.copies.open(this.#model.job);
  };

  showTimeline = () => {
    this.isTimelineWhole = true;
    this.#onChange();
  };

  /**
   * @param {string} what
   * @param {() => Promise<unknown>} act
   */
  async #do(what, act) {
    if (this.#busy.has(what)) return;
    this.#busy.add(what);
    this.notice = "";
    this.#onChange();
    try {
      await act();
    } catch (error) {
      this.notice = /** @type {Error} */ (error).message;
    } finally {
      this.#busy.delete(what);
      this.#onChange();
    }
  }
}

function newKey() {
  return crypto.getRandomValues(new Uint32Array(4)).join("-");
}
