// @ts-check
/** Questions that must be answered before anything happens. */

import { make } from "./dom.js";

/**
 * Ask for a consent. Escape, or a press on the page behind, says no.
 * @param {string} question
 * @param {string} details
 * @param {string} yes what the button says that consents
 * @returns {Promise<boolean>}
 */
export function consent(question, details, yes) {
  const answer = make("button", { class: "primary", value: "yes" }, yes);
  const dialog = make(
    "dialog",
    { class: "dialog", "aria-labelledby": "dialog-question" },
    make(
      "form",
      { method: "dialog" },
      make("h2", { id: "dialog-question" }, question),
      make("p", {}, details),
      make("div", { class: "dialog-buttons" }, make("button", { value: "no" }, "Keep"), answer),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
  answer.focus();
  return new Promise((resolve) => {
    dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close("no"));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
  });
}
