// @ts-check
/** What was sent last to each backend, kept in this browser; secrets are not. */

import { withoutSecrets } from "./schema.js";

const PREFIX = "progrock.start.";
const MOST_CHARACTERS = 20_000;

/**
 * @param {string} backend
 * @returns {Record<string, unknown> | null} null where nothing is kept
 */
export function recalled(backend) {
  try {
    const found = JSON.parse(localStorage.getItem(PREFIX + backend) ?? "null");
    return typeof found === "object" && !Array.isArray(found) ? found : null;
  } catch {
    return null; // the browser keeps nothing, or somebody else wrote there
  }
}

/**
 * @param {string} backend
 * @param {Record<string, unknown>} params
 * @param {import("./schema.js").Schema} schema
 */
export function remember(backend, params, schema) {
  const text = JSON.stringify(withoutSecrets(params, schema));
  try {
    if (text.length <= MOST_CHARACTERS) localStorage.setItem(PREFIX + backend, text);
  } catch {
    // The browser keeps nothing: then the defaults come next time.
  }
}

/** @param {string} backend */
export function forget(backend) {
  try {
    localStorage.removeItem(PREFIX + backend);
  } catch {
    // There is nothing to forget.
  }
}
