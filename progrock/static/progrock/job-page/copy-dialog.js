// @ts-check
/** Shows how the same job is watched, or another one like it is started, from elsewhere. */

import { make, showText } from "../dom.js";
import { copyText } from "./clipboard.js";
import { snippetsOf } from "./snippets.js";

/** @typedef {import("../protocol.js").Snapshot} Snapshot */
/** @typedef {import("./snippets.js").Purpose} Purpose */

/** @type {{ purpose: Purpose, words: string }[]} */
const PURPOSES = [
  { purpose: "watch", words: "Watch this job" },
  { purpose: "start", words: "Start another one like it" },
];

export class CopyDialog {
  #purpose = make(
    "select",
    { id: "copy-purpose" },
    ...PURPOSES.map(({ purpose, words }) => make("option", { value: purpose }, words)),
  );
  #list = make("div", { class: "snippets" });
  #told = make("p", { class: "help", role: "status", hidden: true });
  #site;
  /** @type {Snapshot | null} */
  #job = null;

  /** @param {string} site the address of this one, with a slash at the end */
  constructor(site) {
    this.#site = site;
    const close = make("button", { type: "button" }, "Close");
    this.element = make(
      "dialog",
      { class: "dialog is-wide", "aria-labelledby": "copy-heading" },
      make("h2", { id: "copy-heading" }, "From elsewhere"),
      make("div", { class: "dialog-form" }, make("label", { for: "copy-purpose" }, "What for"), this.#purpose),
      this.#list,
      this.#told,
      make("div", { class: "dialog-end" }, close),
    );
    this.#purpose.addEventListener("change", () => this.#draw());
    close.addEventListener("click", () => this.element.close());
  }

  /** @param {Snapshot} job */
  open(job) {
    this.#job = job;
    this.#draw();
    this.element.showModal();
  }

  #draw() {
    if (!this.#job) return;
    const purpose = /** @type {Purpose} */ (this.#purpose.value);
    showText(this.#told, "");
    this.#list.replaceChildren(
      ...snippetsOf(this.#job, purpose, this.#site).map(({ name, text }) => this.#entry(name, text)),
    );
  }

  /**
   * @param {string} name
   * @param {string} text
   */
  #entry(name, text) {
    const shown = make("pre", { class: "code", dir: "ltr", tabindex: 0, "aria-label": name }, text);
    const button = make("button", { type: "button", "aria-label": `Copy ${name}` }, "Copy");
    button.addEventListener("click", async () => {
      const isCopied = await copyText(shown, text);
      showText(this.#told, isCopied ? `${name} copied.` : "Marked: press Ctrl+C to copy it.");
    });
    const head = make("div", { class: "panel-head" }, make("h3", {}, name), button);
    return make("section", { class: "snippet" }, head, shown);
  }
}
