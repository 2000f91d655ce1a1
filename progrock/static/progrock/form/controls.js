// @ts-check
/** What a person fills: one control for a text, a number, a time, a choice, a yes, a piece of JSON. */

import { make } from "../dom.js";
import { choicesOf, isSecret, typesOf } from "./schema.js";

/** @typedef {import("./schema.js").Schema} Schema */
/** @typedef {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} Input */

/**
 * @typedef {object} Control
 * @property {Input} input what a label names
 * @property {HTMLElement} element the input, with what stands around it
 * @property {() => unknown} read undefined when empty; throws a sentence that says what is wrong
 * @property {(value: unknown) => void} write what does not fit is left out
 */

const LONG_TEXT = 200; // characters, from which on a text has several lines
/** Kinds of inputs by the format of a text. */
const INPUT_TYPES = /** @type {Record<string, string>} */ ({
  email: "email",
  uri: "url",
  date: "date",
  "date-time": "datetime-local",
  password: "password",
});

/**
 * @param {import("./schema.js").Kind} kind
 * @param {Schema} schema
 * @param {boolean} isRequired
 * @returns {Control}
 */
export function newControl(kind, schema, isRequired) {
  if (kind === "choice") return newChoice(schema, isRequired);
  if (kind === "checkbox") return newCheckbox();
  if (kind === "number") return newNumber(schema);
  if (kind === "text") return newText(schema);
  return newJson(schema);
}

/**
 * @param {Schema} schema
 * @param {boolean} isRequired
 */
function newChoice(schema, isRequired) {
  const choices = choicesOf(schema) ?? [];
  const input = make("select");
  const needsNone = !isRequired || schema.default === undefined;
  if (needsNone) input.append(make("option", { value: "" }, "–"));
  choices.forEach(({ label }, index) => input.append(make("option", { value: index }, label)));
  /** @param {unknown} value */
  const write = (value) => {
    const place = choices.findIndex((choice) => JSON.stringify(choice.value) === JSON.stringify(value));
    if (place >= 0) input.value = String(place);
  };
  const read = () => (input.value === "" ? undefined : choices[Number(input.value)].value);
  return { input, element: input, read, write };
}

function newCheckbox() {
  const input = make("input", { type: "checkbox" });
  /** @param {unknown} value */
  const write = (value) => {
    if (typeof value === "boolean") input.checked = value;
  };
  return { input, element: input, read: () => input.checked, write };
}

/** @param {Schema} schema */
function newNumber(schema) {
  const { minimum, maximum, multipleOf } = schema;
  const isWhole = typesOf(schema).includes("integer") && !typesOf(schema).includes("number");
  const input = make("input", {
    type: "number",
    step: multipleOf ?? (isWhole ? 1 : "any"),
    min: minimum,
    max: maximum,
    inputmode: isWhole && (minimum ?? -1) >= 0 ? "numeric" : undefined,
    autocomplete: "off",
  });
  const read = () => {
    if (input.validity.badInput) throw new Error("Enter a number.");
    return input.value === "" ? undefined : input.valueAsNumber;
  };
  /** @param {unknown} value */
  const write = (value) => {
    if (typeof value === "number") input.value = String(value);
  };
  return { input, element: input, read, write };
}

/** @param {Schema} schema */
function newText(schema) {
  const { format = "", maxLength = 0 } = schema;
  if (isSecret(schema)) return newSecret();
  const type = INPUT_TYPES[format] ?? "text";
  const isTime = type === "datetime-local";
  const isLong = type === "text" && (maxLength > LONG_TEXT || ["textarea", "multiline"].includes(format));
  const input = isLong
    ? make("textarea", { rows: 4 })
    : make("input", {
        type,
        autocomplete: "off",
        step: isTime ? 1 : undefined,
        inputmode: type === "url" ? "url" : undefined,
        spellcheck: ["", "textarea"].includes(format) ? undefined : "false",
      });
  if (!INPUT_TYPES[format]) input.dir = "auto";
  const read = () => {
    if (input.validity.badInput) throw new Error(isTime ? "Enter a day and a time." : "Enter a day.");
    if (input.value === "") return undefined;
    return isTime ? new Date(input.value).toISOString() : input.value;
  };
  /** @param {unknown} value */
  const write = (value) => {
    if (typeof value === "string") input.value = isTime ? localTime(value) : value;
  };
  return { input, element: input, read, write };
}

function newSecret() {
  const input = make("input", { type: "password", autocomplete: "new-password", spellcheck: "false" });
  const button = make("button", { type: "button", class: "quiet", "aria-pressed": "false" }, "Show");
  button.addEventListener("click", () => {
    const isShown = input.type === "password";
    input.type = isShown ? "text" : "password";
    button.setAttribute("aria-pressed", String(isShown));
  });
  /** @param {unknown} value */
  const write = (value) => {
    if (typeof value === "string") input.value = value;
  };
  const element = make("div", { class: "with-button" }, input, button);
  return { input, element, read: () => (input.value === "" ? undefined : input.value), write };
}

/** @param {Schema} schema */
function newJson(schema) {
  const input = make("textarea", { rows: 3, spellcheck: "false", class: "code", dir: "ltr" });
  const types = typesOf(schema);
  const read = () => {
    if (input.value.trim() === "") return undefined;
    let value;
    try {
      value = JSON.parse(input.value);
    } catch (error) {
      throw new Error(`Enter JSON: ${/** @type {Error} */ (error).message}`);
    }
    const isOfType = types.includes(typeOf(value)) || (types.includes("number") && typeof value === "number");
    if (types.length && !isOfType) throw new Error(`Enter JSON of type ${types.join(" or ")}.`);
    return value;
  };
  /** @param {unknown} value */
  const write = (value) => {
    if (value !== undefined) input.value = JSON.stringify(value, null, 2);
  };
  return { input, element: input, read, write };
}

/** @param {unknown} value */
function typeOf(value) {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value;
}

/**
 * Return a time as an input for local times takes it; "" where it is none.
 * @param {string} text
 */
function localTime(text) {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return "";
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}
