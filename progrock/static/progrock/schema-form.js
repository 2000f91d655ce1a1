// @ts-check
/** Fields for a backend's parameters, drawn from their JSON Schema. */

import { newField } from "./form/fields.js";
import { pointerTo, resolved } from "./form/schema.js";

/** @typedef {import("./form/schema.js").Schema} ParamsSchema */
/** @typedef {import("./form/fields.js").Problem} Problem */
/** @typedef {import("./form/fields.js").Field} Field */

const FURTHER = { title: "Further parameters", type: "object", description: "as a JSON object" };
let forms = 0;

export class SchemaForm {
  /** @type {{ name: string, field: Field }[]} */
  #fields;
  #container;
  /** @type {import("./form/fields.js").Frame} */
  #frame;
  /** @type {Field | undefined} for what the schema does not name */
  #further;

  /**
   * @param {HTMLElement} container whose content is replaced
   * @param {ParamsSchema} schema
   * @param {(sentence: string) => void} [tell] something to those who do not see the page
   */
  constructor(container, schema, tell = () => {}) {
    const its = resolved(schema, schema);
    const required = new Set(its.required ?? []);
    const prefix = `param-${(forms += 1)}`;
    let count = 0;
    this.#container = container;
    this.#frame = { root: schema, newId: () => `${prefix}-${(count += 1)}`, tell };
    this.#fields = Object.entries(its.properties ?? {}).map(([name, inner]) => ({
      name,
      field: newField(name, inner, this.#frame, { isRequired: required.has(name), depth: 0 }),
    }));
    container.replaceChildren(...this.#fields.map(({ field }) => field.element));
    if (!this.#fields.length && its.additionalProperties !== false) this.#addFurther();
  }

  /**
   * Fill the fields that some params name; the others stay as they are.
   * @param {Record<string, unknown>} params
   */
  write(params) {
    const further = { ...params };
    for (const { name, field } of this.#fields) {
      if (name in params) field.write(params[name]);
      delete further[name];
    }
    if (!Object.keys(further).length) return;
    if (!this.#further) this.#addFurther();
    this.#further?.write(further);
  }

  /**
   * Return the filled fields as params, and what is wrong with them by the schema's plain rules.
   * @returns {{ params: Record<string, unknown>, problems: Problem[] }}
   */
  read() {
    /** @type {Problem[]} */
    const problems = [];
    const params = /** @type {Record<string, unknown>} */ (this.#further?.read("", problems) ?? {});
    for (const { name, field } of this.#fields) {
      const value = field.read(pointerTo("", name), problems);
      if (value !== undefined) params[name] = value;
    }
    return { params, problems };
  }

  /**
   * Show problems at their fields, and move the focus to the first of these.
   * @param {Problem[]} problems none takes all of them away
   * @returns {Problem[]} those that belong to no field
   */
  show(problems) {
    const left = new Set(problems);
    /** @type {HTMLElement | undefined} */
    let first;
    for (const { name, field } of this.#fields) {
      const found = field.show(pointerTo("", name), left);
      first ??= found;
    }
    if (this.#further && !this.#fields.length) first ??= this.#further.show("", left);
    first?.focus();
    return [...left];
  }

  #addFurther() {
    this.#further = newField("", FURTHER, this.#frame, { isRequired: false, depth: 0 });
    this.#container.append(this.#further.element);
  }
}
