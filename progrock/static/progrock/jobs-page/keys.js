// @ts-check
/** Single keys that do what a press on the page does; they can be turned off (WCAG 2.1.4). */

import { find } from "../dom.js";

const SETTING = "progrock.keys";

/**
 * Listen for keys, other than those that go into a field or a dialog.
 * @param {Record<string, () => void>} does by key
 * @param {HTMLDialogElement} help says what the keys do, and holds the switch `[name="keys"]`
 */
export function listenForKeys(does, help) {
  const isOn = find(help, '[name="keys"]', HTMLInputElement);
  isOn.checked = localStorage.getItem(SETTING) !== "off";
  isOn.addEventListener("change", () => localStorage.setItem(SETTING, isOn.checked ? "on" : "off"));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (!isOn.checked || isElsewhere(event.target) || document.querySelector("dialog[open]")) return;
    const act = does[event.key];
    if (!act || (event.key === "Enter" && isPressed(event.target))) return;
    event.preventDefault();
    act();
  });
}

/** @param {EventTarget | null} target */
function isElsewhere(target) {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement) return target.type !== "checkbox";
  return target.isContentEditable || target.matches("textarea, select");
}

/** @param {EventTarget | null} target which Enter presses by itself */
function isPressed(target) {
  return target instanceof Element && target.matches("a, button, input, summary");
}
