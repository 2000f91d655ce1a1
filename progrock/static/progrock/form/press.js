// @ts-check
/**
 * Wait with what moves the page until a press has ended: an error that appears when a field is left
 * would push away the button that was pressed to leave it, and its click would be lost.
 */

let isPressed = false;
/** @type {(() => void)[]} */
let waiting = [];

/** @param {() => void} act called at once, or when the press and its click are over */
export function afterPress(act) {
  if (isPressed) waiting.push(act);
  else act();
}

function release() {
  isPressed = false;
  setTimeout(() => {
    const acts = waiting;
    waiting = [];
    for (const act of acts) act();
  });
}

document.addEventListener("pointerdown", () => (isPressed = true), true);
document.addEventListener("pointerup", release, true);
document.addEventListener("pointercancel", release, true);
