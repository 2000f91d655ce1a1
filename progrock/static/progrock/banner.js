// @ts-check
/** Says that the page is not connected, since when, and goes away by itself. */

import { find, make, showText } from "./dom.js";
import { clockText } from "./format.js";

/** @typedef {import("./protocol.js").Offline} Offline */
/** @typedef {import("./progrock.js").ProgRock} ProgRock */

const SIGNED_OUT = 4401;
const NOT_ALLOWED = 4403;

/**
 * Keep a banner right for a client.
 * @param {HTMLElement} banner with role="status" and a part "words"
 * @param {ProgRock} client
 */
export function keepBanner(banner, client) {
  const words = find(banner, '[data-part="words"]', HTMLElement);
  client.addEventListener("online", () => {
    banner.hidden = true;
    words.textContent = "";
  });
  client.addEventListener("offline", (event) => {
    const offline = /** @type {CustomEvent<Offline>} */ (event).detail;
    if (offline.code === SIGNED_OUT) {
      const address = `/login/?next=${encodeURIComponent(location.pathname)}`;
      words.replaceChildren("You are signed out. ", make("a", { href: address }, "Sign in"));
    } else {
      showText(words, sentence(offline, client.lastFrameAt));
    }
    banner.hidden = false;
  });
}

/**
 * @param {Offline} offline
 * @param {number} lastFrameAt
 */
function sentence(offline, lastFrameAt) {
  const last = lastFrameAt ? ` Last news at ${clockText(new Date(lastFrameAt))}.` : "";
  if (!offline.final) return `Not connected.${last} Trying again…`;
  if (offline.code === NOT_ALLOWED) return "You may not watch jobs here. Ask for the right to.";
  const reason = offline.reason ? ` (${offline.reason})` : "";
  return `The server has closed the connection${reason}.${last} Reload the page to try again.`;
}
