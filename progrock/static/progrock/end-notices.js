// @ts-check
/** The browser's notification when a job ends: for single jobs, or for all of one's own. */

import { endText } from "./format.js";

/** @typedef {import("./protocol.js").Snapshot} Snapshot */

const JOBS = "progrock.told-of-jobs";
const MINE = "progrock.told-of-mine";
const MOST_JOBS = 200;

/** What is wished lies in this browser's storage; other tabs see it, too. */
export class EndNotices {
  #user;

  /** @param {string | null} user who looks; a job without an owner is nobody's */
  constructor(user) {
    this.#user = user;
  }

  get isForMine() {
    return localStorage.getItem(MINE) === "on";
  }

  /** @param {string} job */
  isFor(job) {
    return jobs().includes(job);
  }

  /**
   * @param {boolean} isWished
   * @returns {Promise<string>} why there will be none; "" where there will
   */
  async wishForMine(isWished) {
    localStorage.setItem(MINE, isWished ? "on" : "off");
    return isWished ? permission() : "";
  }

  /**
   * @param {string} job
   * @returns {Promise<string>} why there will be none; "" where there will, or shall not
   */
  async toggle(job) {
    const others = jobs().filter((other) => other !== job);
    const isWished = !this.isFor(job);
    keep(isWished ? [...others, job] : others);
    return isWished ? permission() : "";
  }

  /**
   * Tell of a job that has just ended, where that is wished.
   * @param {Snapshot} job
   */
  tell(job) {
    const isMine = this.#user !== null && job.owner === this.#user;
    if (!this.isFor(job.job) && !(this.isForMine && isMine)) return;
    keep(jobs().filter((other) => other !== job.job));
    if (!("Notification" in window) || Notification.permission !== "granted") return;
    // The tag: of several tabs that tell the same, one notification is seen.
    const notice = new Notification(endText(job), { tag: job.job, body: job.message ?? "" });
    notice.onclick = () => {
      window.focus();
      location.assign(`/jobs/${job.job}`);
    };
  }
}

/** @returns {string[]} */
function jobs() {
  try {
    return JSON.parse(localStorage.getItem(JOBS) ?? "[]");
  } catch {
    return [];
  }
}

/** @param {string[]} wished */
function keep(wished) {
  localStorage.setItem(JOBS, JSON.stringify(wished.slice(-MOST_JOBS)));
}

async function permission() {
  if (!("Notification" in window)) return "This browser shows no notifications.";
  const answer = await Notification.requestPermission();
  return answer === "granted" ? "" : "The browser does not let this page notify you: see its settings.";
}
