// @ts-check
/** What a job gave, as large as it deserves: a picture, a table, a link, or JSON. */

import { make } from "../dom.js";
import { shortened } from "../format.js";
import { resultNodes } from "../result.js";

/** @typedef {import("../protocol.js").Snapshot} Snapshot */
/** @typedef {import("./site-api.js").SiteApi} SiteApi */
/** @typedef {Record<string, unknown>} Row */

const MOST_ROWS = 200;
const MOST_COLUMNS = 30;
const SHOWN_LENGTH = 20_000;
const CELL_LENGTH = 300;

export class ResultPanel {
  #shown = "";
  #place = make("div", { class: "result-place" });
  /** @type {string} an address that holds a picture in memory */
  #held = "";
  #api;
  #isGuest;

  /**
   * @param {SiteApi} api
   * @param {boolean} isGuest pictures are then fetched with the token, which an address must not hold
   */
  constructor(api, isGuest) {
    this.#api = api;
    this.#isGuest = isGuest;
    this.element = make(
      "section",
      { class: "panel result", "aria-labelledby": "result-heading", hidden: true },
      make("h2", { id: "result-heading" }, "Result"),
      this.#place,
    );
  }

  /** @param {Snapshot} job */
  update(job) {
    const text = JSON.stringify([job.result ?? null, job.title]);
    if (text === this.#shown) return;
    this.#shown = text;
    const nodes = nodesFor(job);
    this.element.hidden = nodes.length === 0;
    this.#place.replaceChildren(...nodes);
    const image = this.#place.querySelector("img");
    if (image && this.#isGuest) this.#fetch(image);
  }

  /** @param {HTMLImageElement} image */
  async #fetch(image) {
    image.removeAttribute("src");
    const link = image.closest("a");
    link?.removeAttribute("href");
    try {
      const picture = await this.#api.picture();
      URL.revokeObjectURL(this.#held);
      this.#held = URL.createObjectURL(picture);
      image.src = this.#held;
    } catch {
      link?.replaceChildren("The picture cannot be had now.");
    }
  }
}

/**
 * @param {Snapshot} job
 * @returns {Node[]} empty where there is nothing
 */
function nodesFor(job) {
  const { result } = job;
  if (result === null || result === undefined) return [];
  const rows = rowsOf(result);
  if (rows) return [table(rows)];
  const isPlain = typeof result !== "object" || Array.isArray(result) || isFlat(result);
  if (isPlain && !Array.isArray(result)) return resultNodes(job);
  if (typeof result === "object" && "media_type" in result) return resultNodes(job);
  return [make("pre", { class: "json", tabindex: 0 }, shortened(JSON.stringify(result, null, 2), SHOWN_LENGTH))];
}

/**
 * Return the rows of a result that is a list of flat objects; null where it is none.
 * @param {unknown} result
 * @returns {Row[] | null}
 */
function rowsOf(result) {
  if (!Array.isArray(result) || result.length === 0) return null;
  return result.every((row) => isRecord(row) && isFlat(row)) ? result : null;
}

/** @param {Row[]} rows */
function table(rows) {
  const columns = [...new Set(rows.slice(0, MOST_ROWS).flatMap(Object.keys))].slice(0, MOST_COLUMNS);
  const head = columns.map((name) => make("th", { scope: "col", dir: "auto" }, shortened(name, CELL_LENGTH)));
  const body = rows.slice(0, MOST_ROWS).map((row) =>
    make("tr", {}, ...columns.map((name) => cell(row[name]))),
  );
  const more = rows.length - body.length;
  return make(
    "div",
    { class: "table-place", tabindex: 0, role: "region", "aria-label": "Result" },
    make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...body)),
    ...(more > 0 ? [make("p", { class: "help" }, `and ${more} more rows`)] : []),
  );
}

/** @param {unknown} value */
function cell(value) {
  const text = value === null || value === undefined ? "" : String(value);
  const kind = typeof value === "number" ? "number" : undefined;
  return make("td", { class: kind, dir: "auto" }, shortened(text, CELL_LENGTH));
}

/** @param {object} value */
function isFlat(value) {
  return Object.values(value).every((item) => typeof item !== "object" || item === null);
}

/**
 * @param {unknown} value
 * @returns {value is Row}
 */
function isRecord(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
