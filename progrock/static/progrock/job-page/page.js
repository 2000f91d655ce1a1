// @ts-check
/** The page of one job, drawn from its model: at most once a frame, and once a second while it runs. */

import { find } from "../dom.js";
import { CONDITION_WORDS, endText, percentText, shortened } from "../format.js";
import { TabIcon } from "../tab-icon.js";
import { guard, html, nothing, render } from "../vendor/lit.js";
import { JobActions } from "./actions.js";
import { thread } from "./comments-view.js";
import { curveOf } from "./curve.js";
import { noteField } from "./fields-view.js";
import { keepingFocus } from "./focus.js";
import { hero } from "./hero.js";
import { LogPanel } from "./log-panel.js";
import { JobModel } from "./model.js";
import { PlotPanel } from "./plot-panel.js";
import { ResultPanel } from "./result-view.js";
import { failure, parameters, timeline } from "./sections.js";
import { SiteApi } from "./site-api.js";
import { nameOf, timelineOf } from "./timeline.js";

/** @typedef {import("../announcer.js").Announcer} Announcer */
/** @typedef {import("../progrock.js").ProgRock} ProgRock */
/** @typedef {import("../protocol.js").Offline} Offline */
/** @typedef {import("../protocol.js").Snapshot} Snapshot */
/** @typedef {import("./event-log.js").KeptEvent} KeptEvent */

/**
 * What the server tells a page of one job beside the snapshot.
 * @typedef {object} Setting
 * @property {string} job
 * @property {Snapshot | null} snapshot null for who comes by a link
 * @property {Record<string, string>} backends their titles by name
 * @property {string} log the address of the whole log; "" where the backend tells none
 * @property {Record<string, import("./advice.js").Advice>} advice by the code of an error
 * @property {string} start the address of the page that starts jobs; "" where there is none
 */

export class JobPage {
  #setting;
  #client;
  #announcer;
  #model;
  #actions;
  #root;
  #isGuest;
  #plot = new PlotPanel();
  #log;
  #result;
  #icon = new TabIcon();
  #isDrawing = false;
  /** @type {{ isComplete: boolean, condition: string, comment: string | undefined } | null} */
  #told = null;
  #hasRead = false; // what was said before the page was opened
  #entries = timelineOf([]);
  #curve = curveOf([]);
  #drawnVersion = -1;
  #hasEarlier = false;

  /**
   * @param {HTMLElement} root
   * @param {Setting} setting
   * @param {{ client: ProgRock, announcer: Announcer, token?: string }} connection
   */
  constructor(root, setting, { client, announcer, token }) {
    this.#root = root;
    this.#setting = setting;
    this.#client = client;
    this.#announcer = announcer;
    const isGuest = (this.#isGuest = token !== undefined);
    const api = new SiteApi(setting.job, token);
    const model = (this.#model = new JobModel(setting.job, client, api, () => this.#hear()));
    this.#actions = new JobActions(setting, { client, model, api, isGuest }, () => this.#redraw());
    this.#log = new LogPanel(setting.log);
    this.#result = new ResultPanel(api, isGuest);
  }

  begin() {
    const { snapshot } = this.#setting;
    this.#model.begin(snapshot);
    if (this.#isGuest) this.#keepGuestTold();
    this.#draw();
    setInterval(() => this.#tick(), 1000);
    addEventListener("beforeprint", () => this.#draw());
  }

  /** A link that ends takes the connection with it; no signing in brings that back. */
  #keepGuestTold() {
    this.#client.addEventListener("offline", (event) => {
      const { final, reason } = /** @type {CustomEvent<Offline>} */ (event).detail;
      if (!final) return;
      find(document, "#banner", HTMLElement).hidden = true;
      this.#model.close(reason || "This share link is not good, or not any longer.");
    });
  }

  #hear() {
    const { job } = this.#model;
    if (job) {
      document.title = [job.complete ? "" : percentText(job.progress), job.title, "ProgRock"].filter(Boolean).join(" · ");
      this.#icon.show(job.complete ? null : job.progress, job.condition !== "ok");
      this.#actions.see(job);
      this.#announce(job);
      if (job.retry_of && !this.#hasEarlier) this.#compare(job.retry_of);
    }
    this.#redraw();
  }

  /**
   * Tell those who do not see the page of what they should know.
   * @param {Snapshot} job
   */
  #announce(job) {
    const before = this.#told;
    const said = this.#model.comments.at(-1);
    this.#told = { isComplete: job.complete, condition: job.condition, comment: said?.id };
    if (!before) return;
    if (job.complete && !before.isComplete) {
      this.#announcer.tell(endText(job));
      this.#actions.notices.tell(job);
    } else if (job.condition !== before.condition) {
      this.#announcer.tell(CONDITION_WORDS[job.condition] || "The job moves again");
    }
    if (said && said.id !== before.comment && !this.#model.isFilling && this.#hasRead) {
      this.#announcer.tell(`${nameOf(said.author)} said: ${shortened(said.text, 200)}`);
    }
    this.#hasRead ||= !this.#model.isFilling;
  }

  /** @param {string} earlier the job that this one repeats */
  async #compare(earlier) {
    this.#hasEarlier = true;
    if (this.#isGuest) return;
    /** @type {KeptEvent[]} */
    const events = [];
    try {
      for await (const page of new SiteApi(earlier).events(0)) {
        events.push(.../** @type {KeptEvent[]} */ (page.events));
      }
    } catch {
      return; // it is gone, or not ours to see: the plot does without
    }
    const begun = events.findIndex(({ state }) => state === "running");
    if (begun >= 0) this.#plot.compare(curveOf(events.slice(begun)));
  }

  #tick() {
    const { job, marks } = this.#model;
    const isMoving = job && (!job.complete || marks.size > 0);
    this.#model.settle();
    if (isMoving && !document.hidden) this.#redraw();
  }

  #redraw() {
    if (this.#isDrawing) return;
    this.#isDrawing = true;
    requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.#isDrawing = false;
    const model = this.#model;
    if (!this.#root.hasAttribute("data-live")) {
      this.#root.replaceChildren();
      this.#root.setAttribute("data-live", "");
    }
    if (model.log.version !== this.#drawnVersion) {
      this.#drawnVersion = model.log.version;
      this.#entries = timelineOf(model.log.events);
      this.#curve = curveOf(model.log.events);
    }
    keepingFocus(this.#root, () => render(this.#template(), this.#root));
    if (model.job) this.#drawPanels(model.job);
  }

  /** @param {Snapshot} job */
  #drawPanels(job) {
    const { log, isFilling, left, now } = this.#model;
    if (!isFilling) this.#log.update(log.events, { isLoading: false, isOver: job.complete });
    else this.#log.update([], { isLoading: true, isOver: job.complete });
    this.#plot.update(this.#curve, {
      now: now / 1000,
      isOver: job.complete,
      range: job.state === "running" ? left : null,
      isLoading: isFilling,
    });
    this.#result.update(job);
  }

  #template() {
    const { job, status, problem } = this.#model;
    if (!job) return this.#unknown();
    return html`
      <div class="job-page" data-state=${job.state} data-condition=${job.complete ? "ok" : job.condition}>
        ${this.#lost()}
        ${hero(this.#model, job, this.#actions)} ${failure(job, this.#setting.advice)}
        <div class="job-columns">
          <div class="job-main">${this.#result.element} ${this.#plot.element} ${this.#log.element}</div>
          <div class="job-side">
            ${noteField(this.#actions.place("note", job))} ${this.#thread(job)}
            ${guard([job.params], () => parameters(job))} ${this.#timeline()}
          </div>
        </div>
        ${this.#isGuest ? nothing : html`${this.#actions.shares.element} ${this.#actions.copies.element}`}
      </div>
    `;
  }

  #unknown() {
    const { status, problem } = this.#model;
    if (status === "loading") return html`<p class="panel-empty">Reading…</p>`;
    return html`<div class="narrow is-small">
      <h1>${status === "gone" ? "This job is not there any more" : "This link does not open the job"}</h1>
      <p>${problem}</p>
      <p>Ask whoever sent it for another one, or <a href="/login/?next=${location.pathname}">sign in</a>.</p>
    </div>`;
  }

  #lost() {
    const { status, problem } = this.#model;
    if (status === "gone") {
      return html`<p class="alert" role="alert">This job is gone: what you see is the last that was known of it.</p>`;
    }
    if (status !== "refused") return nothing;
    return html`<p class="alert" role="alert">${problem} What you see is the last that was told.</p>`;
  }

  /** @param {Snapshot} job */
  #thread(job) {
    const { comments, isFilling, now } = this.#model;
    return thread(comments, job.can.includes("comment") ? this.#actions.comment : null, { now, isFilling });
  }

  #timeline() {
    const model = this.#model;
    const day = new Date(model.now).toDateString(); // times of today are told without a date
    const { isFilling, fillProblem, log } = model;
    const { isTimelineWhole } = this.#actions;
    return guard([log.version, isFilling, fillProblem, isTimelineWhole, day], () =>
      timeline(this.#entries, model, this.#actions),
    );
  }
}
