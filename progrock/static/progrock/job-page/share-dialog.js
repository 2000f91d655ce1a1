// @ts-check
/** Makes a link by which somebody without an account watches the job, for a time. */

import { make, showText } from "../dom.js";
import { copyText } from "./clipboard.js";
import { exactText } from "./moments.js";

/** @typedef {import("./site-api.js").ShareLink} ShareLink */

const CHOICES = [
  { seconds: 3600, words: "1 hour" },
  { seconds: 86_400, words: "1 day" },
  { seconds: 7 * 86_400, words: "1 week" },
  { seconds: 30 * 86_400, words: "30 days" },
];
const USUAL_SECONDS = 7 * 86_400;

export class ShareDialog {
  #time = make(
    "select",
    { id: "share-time" },
    ...CHOICES.map(({ seconds, words }) =>
      make("option", { value: seconds, selected: seconds === USUAL_SECONDS }, words),
    ),
  );
  #make = make("button", { type: "submit", class: "primary" }, "Make a link");
  #address = make("input", { type: "text", readonly: true, "aria-label": "Link" });
  #copy = make("button", { type: "button" }, "Copy");
  #until = make("p", { class: "help", role: "status", hidden: true });
  #made = make("div", { class: "share-made", hidden: true }, this.#address, this.#copy);
  #problem = make("p", { class: "field-error", role: "alert", hidden: true });
  #share;

  /** @param {(seconds: number) => Promise<ShareLink>} share */
  constructor(share) {
    this.#share = share;
    const form = make(
      "form",
      { class: "dialog-form" },
      make("label", { for: "share-time" }, "Good for"),
      this.#time,
      this.#make,
    );
    const close = make("button", { type: "button" }, "Close");
    this.element = make(
      "dialog",
      { class: "dialog", "aria-labelledby": "share-heading" },
      make("h2", { id: "share-heading" }, "Share this job"),
      make("p", {}, "Whoever has the link can watch this job, without an account, and do nothing else. It cannot be taken back before its time."),
      form,
      this.#made,
      this.#until,
      this.#problem,
      make("div", { class: "dialog-end" }, close),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#ask();
    });
    this.#copy.addEventListener("click", () => this.#take());
    this.#address.addEventListener("focus", () => this.#address.select());
    close.addEventListener("click", () => this.element.close());
  }

  open() {
    this.#made.hidden = true;
    showText(this.#until, "");
    showText(this.#problem, "");
    this.element.showModal();
    this.#time.focus();
  }

  async #ask() {
    if (this.#make.hasAttribute("aria-disabled")) return;
    this.#make.setAttribute("aria-disabled", "true");
    try {
      const { url, expires } = await this.#share(Number(this.#time.value));
      this.#address.value = url;
      this.#made.hidden = false;
      showText(this.#until, `Good until ${exactText(new Date(expires))}.`);
      showText(this.#problem, "");
      this.#copy.focus();
    } catch (error) {
      showText(this.#problem, /** @type {Error} */ (error).message);
    } finally {
      this.#make.removeAttribute("aria-disabled");
    }
  }

  async #take() {
    const isCopied = await copyText(this.#address, this.#address.value);
    showText(this.#until, isCopied ? "Copied." : "Marked: press Ctrl+C to copy it.");
  }
}
