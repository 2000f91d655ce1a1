// @ts-check
/** Fields: a control with its label, help and error; an object of fields; a list of fields. */

import { make, showText } from "../dom.js";
import { newControl } from "./controls.js";
import { newChoices, newList } from "./lists.js";
import { afterPress } from "./press.js";
import { complaint, helpText, kindOf, pointerTo, resolved, typesOf } from "./schema.js";

/** @typedef {import("./schema.js").Schema} Schema */

/**
 * What is wrong at a place, which a JSON Pointer names. With `isMissing` it is only not there yet.
 * @typedef {{ pointer: string, message: string, isMissing?: boolean }} Problem
 */

/**
 * A field does not know its place in the params, since a list may move it: that is always told.
 * @typedef {object} Field
 * @property {HTMLElement} element
 * @property {(pointer: string, problems: Problem[]) => unknown} read undefined: left out; adds what is wrong
 * @property {(value: unknown) => void} write what does not fit is left out
 * @property {(pointer: string, problems: Set<Problem>) => HTMLElement | undefined} show
 *   takes those that it shows out of the set; gives the first control that has one
 * @property {() => void} focus
 */

/**
 * What all fields of a form share.
 * @typedef {object} Frame
 * @property {Schema} root
 * @property {() => string} newId
 * @property {(sentence: string) => void} tell to those who do not see the page
 */

export const MISSING = "Fill this in.";

/**
 * @param {string} name
 * @param {Schema | boolean} schema
 * @param {Frame} frame
 * @param {{ isRequired: boolean, depth: number, isUnlabelled?: boolean }} options
 * @returns {Field}
 */
export function newField(name, schema, frame, options) {
  const its = resolved(schema, frame.root);
  const kind = kindOf(its, options.depth);
  const label = its.title ?? name;
  /** @type {Field} */
  let field;
  if (kind === "object") field = newGroup(label, its, frame, options);
  else if (kind === "array") field = newList(label, its, frame, options);
  else if (kind === "choices") field = newChoices(label, its, frame, options);
  else field = newLeaf(label, its, frame, options);
  if (its.default !== undefined) field.write(its.default);
  return field;
}

/**
 * @param {string} label
 * @param {Schema} schema
 * @param {Frame} frame
 * @param {{ isRequired: boolean, depth: number, isUnlabelled?: boolean }} options
 * @returns {Field}
 */
function newLeaf(label, schema, frame, { isRequired, depth, isUnlabelled }) {
  const kind = kindOf(schema, depth);
  const control = newControl(kind, schema, isRequired);
  const { input } = control;
  input.id = frame.newId();
  const help = newHelp(schema, input.id);
  const error = newError(input.id);
  input.setAttribute("aria-describedby", `${help.id} ${error.id}`);
  if (isRequired) input.setAttribute("aria-required", "true");
  const canBeNull = typesOf(schema).includes("null") && kind !== "choice";
  const none = canBeNull ? newNullBox(input, frame.newId()) : null;
  const head = make("label", { for: input.id, class: isUnlabelled ? "unseen" : undefined }, label);
  if (isRequired && !isUnlabelled) head.append(newRequiredMark());
  const isCheckbox = kind === "checkbox";
  const element = make(
    "div",
    { class: isCheckbox ? "field is-checkbox" : "field" },
    ...(isCheckbox ? [control.element, head] : [head, control.element]),
    ...(none ? [none.element] : []),
    help,
    error,
  );

  /** @type {Field["read"]} */
  const read = (pointer, problems) => {
    if (none?.box.checked) return null;
    let value;
    try {
      value = control.read();
    } catch (thrown) {
      problems.push({ pointer, message: /** @type {Error} */ (thrown).message });
      return undefined;
    }
    if (value === undefined) {
      if (isRequired) problems.push({ pointer, message: MISSING, isMissing: true });
      return undefined;
    }
    const message = complaint(value, schema);
    if (message) problems.push({ pointer, message });
    return value;
  };
  /** @type {Field["show"]} */
  const show = (pointer, problems) => {
    const own = taken(problems, (problem) => isWithin(problem.pointer, pointer));
    showText(error, own.map(({ message }) => message).join(" "));
    if (!own.length) input.removeAttribute("aria-invalid");
    else input.setAttribute("aria-invalid", "true");
    return own.length ? input : undefined;
  };
  input.addEventListener("change", () => {
    /** @type {Problem[]} */
    const problems = [];
    read("", problems);
    afterPress(() => show("", new Set(problems.filter(({ isMissing }) => !isMissing))));
  });
  return {
    element,
    read,
    show,
    write: (value) => {
      if (none) none.set(value === null);
      if (value !== null || !canBeNull) control.write(value);
    },
    focus: () => input.focus(),
  };
}

/**
 * An object: its fields in a group. One that may be left out has a box in its legend; unchecked,
 * nothing of it is sent.
 * @param {string} label
 * @param {Schema} schema
 * @param {Frame} frame
 * @param {{ isRequired: boolean, depth: number, isUnlabelled?: boolean }} options
 * @returns {Field}
 */
function newGroup(label, schema, frame, { isRequired, depth, isUnlabelled }) {
  const required = new Set(schema.required ?? []);
  const fields = Object.entries(schema.properties ?? {}).map(([name, inner]) => ({
    name,
    field: newField(name, inner, frame, { isRequired: required.has(name), depth: depth + 1 }),
  }));
  const id = frame.newId();
  const help = newHelp(schema, id);
  const error = newError(id);
  const body = make("div", { class: "group-fields" }, ...fields.map(({ field }) => field.element));
  const box = isRequired ? null : make("input", { type: "checkbox", id });
  const legend = box
    ? make("legend", {}, make("span", { class: "null-box" }, box, make("label", { for: id }, label)))
    : make("legend", { class: isUnlabelled ? "unseen" : undefined }, label);
  const element = make(
    "fieldset",
    { class: isUnlabelled ? "field group is-bare" : "field group", "aria-describedby": `${help.id} ${error.id}`, tabindex: -1 },
    legend,
    help,
    error,
    body,
  );
  const follow = () => {
    body.hidden = box !== null && !box.checked;
    element.classList.toggle("is-off", body.hidden);
  };
  box?.addEventListener("change", follow);
  follow();
  return {
    element,
    read: (pointer, problems) => {
      if (box && !box.checked) return undefined;
      /** @type {Record<string, unknown>} */
      const value = {};
      for (const { name, field } of fields) {
        const inner = field.read(pointerTo(pointer, name), problems);
        if (inner !== undefined) value[name] = inner;
      }
      return value;
    },
    write: (value) => {
      if (typeof value !== "object" || value === null || Array.isArray(value)) return;
      if (box) box.checked = true;
      follow();
      const given = /** @type {Record<string, unknown>} */ (value);
      for (const { name, field } of fields) if (name in given) field.write(given[name]);
    },
    show: (pointer, problems) => {
      /** @type {HTMLElement | undefined} */
      let first;
      for (const { name, field } of fields) {
        const found = field.show(pointerTo(pointer, name), problems);
        first ??= found;
      }
      const own = taken(problems, (problem) => isWithin(problem.pointer, pointer));
      showText(error, own.map(({ message }) => message).join(" "));
      return first ?? (own.length ? (box ?? element) : undefined);
    },
    focus: () => (box ?? element).focus(),
  };
}

/**
 * A box beside a field that sends null in its place: an empty field sends nothing at all.
 * @param {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} input
 * @param {string} id
 */
function newNullBox(input, id) {
  const box = make("input", { type: "checkbox", id });
  const follow = () => (input.disabled = box.checked);
  box.addEventListener("change", follow);
  const element = make("div", { class: "null-box" }, box, make("label", { for: id }, "none (null)"));
  /** @param {boolean} isNull */
  const set = (isNull) => {
    box.checked = isNull;
    follow();
  };
  return { box, element, set };
}

/**
 * @param {Schema} schema
 * @param {string} id
 */
export function newHelp(schema, id) {
  const text = helpText(schema);
  return make("p", { id: `${id}-help`, class: "help", hidden: text === "" }, text);
}

/** @param {string} id */
export function newError(id) {
  return make("p", { id: `${id}-error`, class: "field-error", hidden: true });
}

export function newRequiredMark() {
  return make("span", { class: "required" }, " (required)");
}

/**
 * Take the problems that belong somewhere out of a set, and return them.
 * @param {Set<Problem>} problems
 * @param {(problem: Problem) => boolean} isOwn
 */
export function taken(problems, isOwn) {
  const own = [...problems].filter(isOwn);
  own.forEach((problem) => problems.delete(problem));
  return own;
}

/**
 * @param {string} pointer
 * @param {string} place
 */
export function isWithin(pointer, place) {
  return pointer === place || pointer.startsWith(`${place}/`);
}
