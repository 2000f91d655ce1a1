// @ts-check
/** What every live page has: its client, the banner, a voice for those who do not see, refusals. */

import { Announcer } from "./announcer.js";
import { keepBanner } from "./banner.js";
import { find, showText } from "./dom.js";
import { ProgRock } from "./progrock.js";

/** @typedef {import("./progrock.js").ProgRockError} ProgRockError */

/**
 * Take up what `_live.html` holds. The client is not connected yet: a page first says what it
 * wants to follow.
 * @param {string} [token] of a share link, for who comes by one
 * @returns {{ client: ProgRock, announcer: Announcer, complain: (message: string) => void }}
 */
export function openPage(token) {
  const client = new ProgRock("/", { token });
  const problem = find(document, "#problem", HTMLElement);
  const complain = (/** @type {string} */ message) => showText(problem, message);
  keepBanner(find(document, "#banner", HTMLElement), client);
  client.addEventListener("refused", (event) => {
    const { code, message } = /** @type {CustomEvent<ProgRockError>} */ (event).detail;
    if (code !== "not_authenticated") complain(message); // the banner says how to sign in
  });
  client.addEventListener("online", () => complain(""));
  return { client, announcer: new Announcer(find(document, "#announcer", HTMLElement)), complain };
}
