// @ts-check
/** Lists: fields that are added, removed and moved, also by keyboard; and several of some choices. */

import { make, setAttribute, showText } from "../dom.js";
import { MISSING, isWithin, newError, newField, newHelp, newRequiredMark, taken } from "./fields.js";
import { choicesOf, complaint, pointerTo, resolved } from "./schema.js";

/** @typedef {import("./schema.js").Schema} Schema */
/** @typedef {import("./fields.js").Field} Field */
/** @typedef {import("./fields.js").Frame} Frame */
/** @typedef {import("./fields.js").Problem} Problem */

const MOST_WRITTEN = 500; // items that are drawn; who has more sends JSON

/**
 * An array. Alt with an arrow key moves the item that has the focus.
 * @param {string} label
 * @param {Schema} schema
 * @param {Frame} frame
 * @param {{ isRequired: boolean, depth: number }} options
 * @returns {Field}
 */
export function newList(label, schema, frame, { isRequired, depth }) {
  const inner = resolved(schema.items, frame.root);
  const noun = inner.title ?? "Item";
  const id = frame.newId();
  const help = newHelp(schema, id);
  const error = newError(id);
  const list = make("ol", { class: "items" });
  const add = make("button", { type: "button", class: "quiet", id }, `Add ${noun.toLowerCase()}`);
  const legend = make("legend", {}, label);
  if (isRequired) legend.append(newRequiredMark());
  const element = make(
    "fieldset",
    { class: "field group", "aria-describedby": `${help.id} ${error.id}` },
    legend,
    help,
    list,
    error,
    add,
  );
  /** @type {{ field: Field, row: HTMLLIElement, group: HTMLElement, up: HTMLButtonElement, down: HTMLButtonElement, remove: HTMLButtonElement }[]} */
  const items = [];

  /** Number the items anew, and say which buttons do something. */
  const number = () => {
    items.forEach(({ group, up, down, remove }, index) => {
      const name = `${noun} ${index + 1}`;
      group.setAttribute("aria-label", name);
      for (const [button, verb] of /** @type {const} */ ([
        [up, `Move ${name} up`],
        [down, `Move ${name} down`],
        [remove, `Remove ${name}`],
      ])) {
        button.setAttribute("aria-label", verb);
        button.title = verb;
      }
      setAttribute(up, "aria-disabled", index === 0 ? "true" : null); // disabled would lose the focus
      setAttribute(down, "aria-disabled", index === items.length - 1 ? "true" : null);
    });
    const isFull = schema.maxItems !== undefined && items.length >= schema.maxItems;
    setAttribute(add, "aria-disabled", isFull ? "true" : null);
  };
  const changed = () => {
    number();
    element.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const append = () => {
    const field = newField(noun, inner, frame, { isRequired: true, depth: depth + 1, isUnlabelled: true });
    const [up, down, remove] = ["↑", "↓", "✕"].map((sign) =>
      make("button", { type: "button", class: "quiet item-button" }, sign),
    );
    const buttons = make("div", { class: "item-buttons" }, up, down, remove);
    const group = make("div", { class: "item", role: "group" }, field.element, buttons);
    const row = make("li", {}, group);
    const item = { field, row, group, up, down, remove };
    up.addEventListener("click", () => move(item, -1, up));
    down.addEventListener("click", () => move(item, 1, down));
    remove.addEventListener("click", () => takeOut(item));
    row.addEventListener("keydown", (event) => {
      const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      if (!step || !event.altKey || event.defaultPrevented) return;
      event.preventDefault();
      move(item, step, /** @type {HTMLElement} */ (document.activeElement));
    });
    items.push(item);
    list.append(row);
    return item;
  };
  /**
   * @param {(typeof items)[number]} item
   * @param {number} step
   * @param {HTMLElement} held what keeps the focus
   */
  const move = (item, step, held) => {
    const from = items.indexOf(item);
    const to = from + step;
    if (to < 0 || to >= items.length) return;
    items.splice(to, 0, ...items.splice(from, 1));
    list.insertBefore(item.row, items[to + 1]?.row ?? null);
    changed();
    held.focus();
    frame.tell(`Moved to place ${to + 1} of ${items.length}`);
  };
  /** @param {(typeof items)[number]} item */
  const takeOut = (item) => {
    const place = items.indexOf(item);
    items.splice(place, 1);
    item.row.remove();
    changed();
    (items[Math.min(place, items.length - 1)]?.remove ?? add).focus();
    frame.tell(`Removed; ${items.length} left`);
  };
  add.addEventListener("click", () => {
    if (add.getAttribute("aria-disabled")) return;
    const item = append();
    changed();
    item.field.focus();
  });
  if (isRequired) for (let count = 0; count < Math.min(schema.minItems ?? 0, 20); count += 1) append();
  number();
  const hasDefault = Array.isArray(schema.default) && schema.default.length > 0;

  return {
    element,
    read: (pointer, problems) => {
      const value = items.map(({ field }, index) => field.read(pointerTo(pointer, index), problems));
      if (!value.length && !isRequired && !hasDefault) return undefined;
      const message = complaint(value, schema);
      if (message) problems.push({ pointer, message, isMissing: !value.length });
      return value.map((each) => each ?? null);
    },
    write: (value) => {
      if (!Array.isArray(value) || value.length > MOST_WRITTEN) return;
      items.splice(0);
      list.replaceChildren();
      for (const each of value) append().field.write(each);
      number();
    },
    show: (pointer, problems) => {
      /** @type {HTMLElement | undefined} */
      let first;
      items.forEach(({ field }, index) => {
        const found = field.show(pointerTo(pointer, index), problems);
        first ??= found;
      });
      const own = taken(problems, (problem) => isWithin(problem.pointer, pointer));
      showText(error, own.map(({ message }) => message).join(" "));
      return first ?? (own.length ? add : undefined);
    },
    focus: () => (items[0]?.field ?? add).focus(),
  };
}

/**
 * An array of some of a few values, each once at most: a box for each.
 * @param {string} label
 * @param {Schema} schema
 * @param {Frame} frame
 * @param {{ isRequired: boolean }} options
 * @returns {Field}
 */
export function newChoices(label, schema, frame, { isRequired }) {
  const choices = choicesOf(resolved(schema.items, frame.root)) ?? [];
  const id = frame.newId();
  const help = newHelp(schema, id);
  const error = newError(id);
  const boxes = choices.map(() => make("input", { type: "checkbox", id: frame.newId() }));
  const rows = choices.map(({ label: text }, index) =>
    make("div", { class: "null-box choice" }, boxes[index], make("label", { for: boxes[index].id }, text)),
  );
  const legend = make("legend", {}, label);
  if (isRequired) legend.append(newRequiredMark());
  const element = make(
    "fieldset",
    { class: "field group", "aria-describedby": `${help.id} ${error.id}` },
    legend,
    help,
    make("div", { class: "choices" }, ...rows),
    error,
  );
  const hasDefault = Array.isArray(schema.default) && schema.default.length > 0;
  return {
    element,
    read: (pointer, problems) => {
      const value = choices.filter((_, index) => boxes[index].checked).map((choice) => choice.value);
      if (!value.length && !isRequired && !hasDefault) return undefined;
      const message = complaint(value, schema) || (isRequired && !value.length && schema.minItems ? MISSING : "");
      if (message) problems.push({ pointer, message, isMissing: !value.length });
      return value;
    },
    write: (value) => {
      if (!Array.isArray(value)) return;
      const wanted = new Set(value.map((each) => JSON.stringify(each)));
      choices.forEach((choice, index) => (boxes[index].checked = wanted.has(JSON.stringify(choice.value))));
    },
    show: (pointer, problems) => {
      const own = taken(problems, (problem) => isWithin(problem.pointer, pointer));
      showText(error, own.map(({ message }) => message).join(" "));
      return own.length ? boxes[0] : undefined;
    },
    focus: () => boxes[0]?.focus(),
  };
}
