// @ts-check
/** What a job gave, shown as fits: the picture, links, or plain text. */

import { make } from "./dom.js";
import { shortened } from "./format.js";

/** @typedef {import("./protocol.js").Snapshot} Snapshot */

/** What the server brings through the site; it leaves out pictures that can hold scripts. */
const PICTURES = new Set(["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"]);
const SHOWN_LENGTH = 2000;
const SHOWN_ENTRIES = 20;

/**
 * Return what to show of a job's result.
 * @param {Pick<Snapshot, "job" | "title" | "result">} job
 * @returns {Node[]} empty where there is nothing
 */
export function resultNodes(job) {
  const { result } = job;
  if (result === null || result === undefined) return [];
  if (!isObject(result)) return [valueNode(result)];
  if (PICTURES.has(String(result.media_type)) && typeof result.url === "string") {
    return [picture(job, result)];
  }
  return [entries(result)];
}

/**
 * @param {Pick<Snapshot, "job" | "title">} job
 * @param {Record<string, unknown>} result
 */
function picture(job, result) {
  const address = `/api/v1/jobs/${job.job}/result`;
  const image = make("img", { src: address, alt: job.title, loading: "lazy", decoding: "async" });
  const { width, height } = result;
  if (isSize(width) && isSize(height)) {
    image.width = width; // the place is kept free until the picture is there
    image.height = height;
    image.style.setProperty("--width", `${width}px`);
    image.style.setProperty("--ratio", String(width / height));
  }
  const link = make("a", { class: "picture", href: address }, image);
  image.addEventListener("error", () => link.replaceChildren("The picture cannot be had now."));
  return link;
}

/** @param {Record<string, unknown>} result */
function entries(result) {
  const shown = Object.entries(result).slice(0, SHOWN_ENTRIES);
  return make(
    "dl",
    { class: "result-entries" },
    ...shown.map(([key, value]) =>
      make("div", {}, make("dt", {}, shortened(key, 100)), make("dd", {}, valueNode(value))),
    ),
  );
}

/** @param {unknown} value */
function valueNode(value) {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  const shown = shortened(text, SHOWN_LENGTH);
  if (typeof value === "string" && isWebAddress(value)) {
    return make("a", { href: value, rel: "noopener noreferrer", target: "_blank" }, shown);
  }
  return make("span", {}, shown);
}

/** @param {string} text */
function isWebAddress(text) {
  if (!/^https?:\/\/\S+$/i.test(text)) return false;
  try {
    return Boolean(new URL(text));
  } catch {
    return false;
  }
}

/**
 * @param {unknown} value
 * @returns {value is Record<string, unknown>}
 */
function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * @param {unknown} value
 * @returns {value is number}
 */
function isSize(value) {
  return Number.isInteger(value) && Number(value) > 0;
}
