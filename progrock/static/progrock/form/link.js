// @ts-check
/**
 * A link that opens the start page filled: `/start?backend=NAME&title=…&PARAM=VALUE…`. A text stands
 * as it is, anything else as JSON. Params with the name of something else stand in `params`, as
 * one JSON object.
 */

import { choicesOf, resolved, typesOf, withoutSecrets } from "./schema.js";

/** @typedef {import("./schema.js").Schema} Schema */

const RESERVED = new Set(["backend", "title", "retry", "params"]);

/**
 * @param {URLSearchParams} query
 * @param {Schema} schema
 * @returns {Record<string, unknown>}
 */
export function paramsIn(query, schema) {
  /** @type {Record<string, unknown>} */
  const params = {};
  const whole = parsed(query.get("params") ?? "{}");
  if (typeof whole === "object" && whole !== null && !Array.isArray(whole)) Object.assign(params, whole);
  for (const [name, text] of query) {
    if (!RESERVED.has(name)) params[name] = isText(schema, name) ? text : parsed(text);
  }
  return params;
}

/**
 * Return the address of the start page, filled; without secrets.
 * @param {{ backend: string, title: string, params: Record<string, unknown> }} filled
 * @param {Schema} schema
 */
export function linkTo({ backend, title, params }, schema) {
  const query = new URLSearchParams({ backend });
  if (title) query.set("title", title);
  /** @type {Record<string, unknown>} */
  const whole = {};
  for (const [name, value] of Object.entries(/** @type {object} */ (withoutSecrets(params, schema)))) {
    if (RESERVED.has(name)) whole[name] = value;
    else query.set(name, isText(schema, name) && typeof value === "string" ? value : JSON.stringify(value));
  }
  if (Object.keys(whole).length) query.set("params", JSON.stringify(whole));
  return `/start?${query}`;
}

/**
 * @param {Schema} schema
 * @param {string} name
 */
function isText(schema, name) {
  const its = resolved(schema.properties?.[name], schema);
  const choices = choicesOf(its);
  if (choices) return choices.every(({ value }) => typeof value === "string");
  return typesOf(its).join() === "string";
}

/** @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
