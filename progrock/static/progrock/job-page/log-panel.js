// @ts-check
/** The log of a job: follows its end until the reader scrolls up, is searched, and is bounded. */

import { make, showText } from "../dom.js";
import { LogLines, partsOf } from "./log-lines.js";
import { exactText, minuteText } from "./moments.js";

/** @typedef {import("./event-log.js").KeptEvent} KeptEvent */
/** @typedef {import("./log-lines.js").Line} Line */

const AT_END_PX = 24;
const SEARCH_MS = 120;

export class LogPanel {
  #lines = new LogLines();
  #sought = "";
  #unread = 0;
  #isFollowing = true;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #list = make("ol", { class: "log-lines" });
  #scroller = make(
    "div",
    { class: "log-scroller", role: "log", "aria-live": "off", "aria-label": "Log", tabindex: 0 },
    this.#list,
  );
  #search = make("input", {
    type: "search",
    placeholder: "Search the log",
    "aria-label": "Search the log",
    autocomplete: "off",
    spellcheck: "false",
  });
  #count = make("p", { class: "log-count", role: "status" });
  #newer = make("button", { class: "log-newer", type: "button", hidden: true });
  #whole = make("a", { class: "log-whole", hidden: true, target: "_blank", rel: "noopener" }, "Whole log");
  #empty = make("p", { class: "panel-empty" });

  /** @param {string} wholeLog the address of all of it; "" where the backend tells none */
  constructor(wholeLog) {
    if (wholeLog) {
      this.#whole.href = wholeLog;
      this.#whole.hidden = false;
    }
    this.element = make(
      "section",
      { class: "panel log", "aria-labelledby": "log-heading" },
      make("div", { class: "panel-head" }, make("h2", { id: "log-heading" }, "Log"), this.#whole),
      make("div", { class: "log-tools" }, this.#search, this.#count),
      make("div", { class: "log-frame" }, this.#scroller, this.#newer),
      this.#empty,
    );
    this.#search.addEventListener("input", () => this.#seek());
    this.#scroller.addEventListener("scroll", () => this.#look(), { passive: true });
    this.#newer.addEventListener("click", () => this.#toEnd());
  }

  /**
   * Show the lines of events in their order; those shown before stay as they are.
   * @param {readonly KeptEvent[]} events
   * @param {{ isLoading: boolean, isOver: boolean }} state
   */
  update(events, { isLoading, isOver }) {
    const added = this.#lines.take(events);
    if (added.length) this.#append(added);
    const isEmpty = this.#lines.lines.length === 0;
    const waiting = isOver ? "This job has told no log." : "Nothing yet. Lines show here as the job tells them.";
    showText(this.#empty, isEmpty ? (isLoading ? "Reading…" : waiting) : "");
    for (const part of this.element.querySelectorAll(".log-tools, .log-frame")) {
      /** @type {HTMLElement} */ (part).hidden = isEmpty;
    }
    if (this.#isFollowing && added.length) this.#toEnd();
  }

  /** @param {Line[]} added */
  #append(added) {
    const shown = this.#sought
      ? added.filter(({ text }) => text.toLowerCase().includes(this.#sought.toLowerCase()))
      : added;
    const before = this.#list.lastElementChild?.getAttribute("data-at") ?? "";
    this.#list.append(...this.#rows(shown, before));
    const first = this.#lines.lines[0].number;
    while (Number(this.#list.firstElementChild?.getAttribute("data-number") ?? first) < first) {
      this.#list.firstElementChild?.remove();
    }
    if (!this.#isFollowing) this.#unread += shown.length;
    this.#tell();
  }

  /**
   * @param {Line[]} lines
   * @param {string} before the time of the line above the first
   */
  #rows(lines, before) {
    let minute = before && minuteText(new Date(before));
    return lines.map(({ number, at, text }) => {
      const moment = new Date(at);
      const time = make("time", { datetime: at, title: exactText(moment) });
      if (minuteText(moment) !== minute) time.textContent = minute = minuteText(moment);
      const words = make("span", { class: "log-text", dir: "auto" });
      words.append(
        ...partsOf(text, this.#sought).map((part, index) => (index % 2 ? make("mark", {}, part) : part)),
      );
      return make("li", { "data-number": number, "data-at": at }, time, words);
    });
  }

  #seek() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#sought = this.#search.value.trim();
      this.#list.replaceChildren(...this.#rows(this.#lines.holding(this.#sought), ""));
      this.#tell();
      this.#toEnd();
    }, SEARCH_MS);
  }

  #look() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    this.#isFollowing = scrollHeight - scrollTop - clientHeight <= AT_END_PX;
    if (this.#isFollowing) this.#unread = 0;
    this.#tell();
  }

  #toEnd() {
    this.#isFollowing = true;
    this.#unread = 0;
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#tell();
  }

  #tell() {
    const count = this.#unread;
    if (document.activeElement === this.#newer && count === 0) this.#scroller.focus();
    showText(this.#newer, count ? `${count} new ${count === 1 ? "line" : "lines"} ↓` : "");
    const { lines, dropped } = this.#lines;
    const all = `${lines.length + dropped} ${lines.length + dropped === 1 ? "line" : "lines"}`;
    const gone = dropped ? `, the first ${dropped} of them no longer here` : "";
    const found = this.#list.childElementCount;
    showText(this.#count, this.#sought ? `${found} of ${all}${gone}` : all + gone);
  }
}
