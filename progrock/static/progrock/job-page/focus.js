// @ts-check
/** Keeps the place of who works by keyboard, where a drawing takes away what had the focus. */

/**
 * Draw; when that took the focus away, give it to what stands in the place. After a button of the
 * job that is the heading: a second press on Enter must not do something else.
 * @param {HTMLElement} root
 * @param {() => void} draw
 */
export function keepingFocus(root, draw) {
  const focused = document.activeElement;
  const edited = focused?.closest("[data-field]")?.getAttribute("data-field");
  const wasAction = Boolean(focused?.closest(".hero-actions"));
  draw();
  if (!focused || focused.isConnected || !root.isConnected) return;
  const next = edited
    ? root.querySelector(`[data-field="${edited}"] button, [data-edits="${edited}"]`)
    : wasAction && root.querySelector("h1");
  if (next instanceof HTMLElement) next.focus();
}
