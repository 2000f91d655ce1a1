// @ts-check
/** Fields for a backend's parameters, drawn from their JSON Schema. */

import { make } from "./dom.js";

/**
 * The part of JSON Schema that a field is drawn from; anything else is for the server to check.
 * @typedef {object} FieldSchema
 * @property {string | string[]} [type]
 * @property {string} [title]
 * @property {string} [description]
 * @property {unknown[]} [enum]
 * @property {unknown} [default]
 * @property {number} [minimum]
 * @property {number} [maximum]
 */

/** @typedef {{ properties?: Record<string, FieldSchema>, required?: string[] }} ParamsSchema */
/** @typedef {{ field: string, message: string }} Problem */

/**
 * @typedef {object} Field
 * @property {string} name
 * @property {HTMLElement} element
 * @property {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} control
 * @property {HTMLElement} error
 * @property {() => unknown} read undefined for an empty field; throws a sentence that says what is wrong
 */

const figures = new Intl.NumberFormat("en", { maximumFractionDigits: 20 });

export class SchemaForm {
  /** @type {Field[]} */
  #fields = [];

  /**
   * @param {HTMLElement} container whose content is replaced
   * @param {ParamsSchema} schema
   */
  constructor(container, schema) {
    const required = new Set(schema.required ?? []);
    this.#fields = Object.entries(schema.properties ?? {}).map(([name, property], index) =>
      newField(name, property, `param-${index}`, required.has(name)),
    );
    container.replaceChildren(...this.#fields.map((field) => field.element));
  }

  /** How many fields there are. */
  get size() {
    return this.#fields.length;
  }

  /**
   * Return the filled fields as params, and what is wrong with those that cannot be read.
   * @returns {{ params: Record<string, unknown>, problems: Problem[] }}
   */
  read() {
    /** @type {Record<string, unknown>} */
    const params = {};
    /** @type {Problem[]} */
    const problems = [];
    for (const field of this.#fields) {
      try {
        const value = field.read();
        if (value !== undefined) params[field.name] = value;
      } catch (error) {
        problems.push({ field: field.name, message: /** @type {Error} */ (error).message });
      }
    }
    return { params, problems };
  }

  /**
   * Show problems at their fields, and move the focus to the first of these.
   * @param {Problem[]} problems none takes all of them away
   * @returns {Problem[]} those that belong to no field
   */
  show(problems) {
    const unplaced = new Set(problems);
    /** @type {Field | undefined} */
    let first;
    for (const field of this.#fields) {
      const own = problems.filter((problem) => isAbout(problem, field.name));
      own.forEach((problem) => unplaced.delete(problem));
      field.error.textContent = own.map((problem) => problem.message).join(" ");
      field.error.hidden = own.length === 0;
      if (own.length) field.control.setAttribute("aria-invalid", "true");
      else field.control.removeAttribute("aria-invalid");
      if (own.length) first ??= field;
    }
    first?.control.focus();
    return [...unplaced];
  }
}

/**
 * @param {Problem} problem
 * @param {string} name
 */
function isAbout(problem, name) {
  return problem.field === name || problem.field.startsWith(`${name}.`);
}

/**
 * @param {string} name
 * @param {FieldSchema} schema
 * @param {string} id
 * @param {boolean} isRequired
 * @returns {Field}
 */
function newField(name, schema, id, isRequired) {
  const { control, read } = newControl(schema, isRequired);
  const isCheckbox = control.type === "checkbox";
  const canBeNull = typesOf(schema).includes("null") && !schema.enum;
  const help = helpText(schema);
  control.id = id;
  control.setAttribute("aria-describedby", `${id}-help ${id}-error`);
  if (isRequired) control.setAttribute("aria-required", "true");
  const error = make("p", { id: `${id}-error`, class: "field-error", hidden: true });
  const label = make("label", { for: id }, schema.title ?? name);
  if (isRequired) label.append(make("span", { class: "required" }, " (required)"));
  const none = canBeNull ? newNullBox(control, `${id}-null`, schema.default === null) : null;
  const element = make(
    "div",
    { class: isCheckbox ? "field is-checkbox" : "field" },
    ...(isCheckbox ? [control, label] : [label, control]),
    ...(none ? [none.element] : []),
    make("p", { id: `${id}-help`, class: "help", hidden: help === "" }, help),
    error,
  );
  const readAll = () => {
    if (none?.box.checked) return null;
    const value = read();
    if (value === undefined && isRequired) throw new Error("Fill this in.");
    return value;
  };
  return { name, element, control, error, read: readAll };
}

/**
 * A box beside a field that sends null in its place: an empty field sends nothing at all.
 * @param {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} control
 * @param {string} id
 * @param {boolean} isNull
 */
function newNullBox(control, id, isNull) {
  const box = make("input", { type: "checkbox", id, checked: isNull });
  const follow = () => (control.disabled = box.checked);
  box.addEventListener("change", follow);
  follow();
  const label = make("label", { for: id }, "none (null)");
  return { box, element: make("div", { class: "null-box" }, box, label) };
}

/**
 * @param {FieldSchema} schema
 * @param {boolean} isRequired
 * @returns {Pick<Field, "control" | "read">}
 */
function newControl(schema, isRequired) {
  if (schema.enum) return newChoice(schema.enum, schema.default, isRequired);
  const types = typesOf(schema).filter((type) => type !== "null");
  const [type] = types;
  if (types.length === 1 && type === "boolean") {
    if (typeof schema.default === "boolean") return newCheckbox(schema.default);
    return newChoice([true, false], undefined, isRequired);
  }
  if (types.length === 1 && type === "string") return newText(schema.default);
  if (types.length === 1 && (type === "number" || type === "integer")) return newNumber(schema, type);
  return newJson(schema.default);
}

/**
 * @param {unknown[]} values
 * @param {unknown} preset
 * @param {boolean} isRequired
 */
function newChoice(values, preset, isRequired) {
  const control = make("select");
  const chosen = values.findIndex((value) => JSON.stringify(value) === JSON.stringify(preset));
  if (chosen < 0 || !isRequired) control.append(make("option", { value: "" }, "–"));
  values.forEach((value, index) => control.append(make("option", { value: index }, word(value))));
  if (chosen >= 0) control.value = String(chosen);
  return {
    control,
    read: () => (control.value === "" ? undefined : values[Number(control.value)]),
  };
}

/** @param {boolean} preset */
function newCheckbox(preset) {
  const control = make("input", { type: "checkbox", checked: preset });
  return { control, read: () => control.checked };
}

/** @param {unknown} preset */
function newText(preset) {
  const control = make("input", { type: "text", autocomplete: "off" });
  if (typeof preset === "string") control.value = preset;
  return { control, read: () => (control.value === "" ? undefined : control.value) };
}

/**
 * @param {FieldSchema} schema
 * @param {"number" | "integer"} type
 */
function newNumber({ default: preset, minimum, maximum }, type) {
  const control = make("input", {
    type: "number",
    step: type === "integer" ? 1 : "any",
    min: minimum,
    max: maximum,
    inputmode: type === "integer" && (minimum ?? -1) >= 0 ? "numeric" : undefined,
    autocomplete: "off",
  });
  if (typeof preset === "number") control.value = String(preset);
  const read = () => {
    if (control.validity.badInput) throw new Error("Enter a number.");
    if (control.value === "") return undefined;
    const value = control.valueAsNumber;
    if (type === "integer" && Number.isInteger(value) && !Number.isSafeInteger(value)) {
      throw new Error("This number is too large to be sent exactly.");
    }
    return value;
  };
  return { control, read };
}

/** @param {unknown} preset */
function newJson(preset) {
  const control = make("textarea", { rows: 3, spellcheck: "false", class: "code" });
  if (preset !== undefined) control.value = JSON.stringify(preset, null, 2);
  const read = () => {
    if (control.value.trim() === "") return undefined;
    try {
      return JSON.parse(control.value);
    } catch (error) {
      throw new Error(`Enter JSON: ${/** @type {Error} */ (error).message}`);
    }
  };
  return { control, read };
}

/** @param {FieldSchema} schema */
function helpText({ description, minimum, maximum }) {
  let range = "";
  if (minimum !== undefined && maximum !== undefined) {
    range = `${figures.format(minimum)} to ${figures.format(maximum)}`;
  } else if (minimum !== undefined) range = `at least ${figures.format(minimum)}`;
  else if (maximum !== undefined) range = `at most ${figures.format(maximum)}`;
  return [description, range].filter(Boolean).join("; ");
}

/** @param {FieldSchema} schema */
function typesOf({ type }) {
  return type === undefined ? [] : [type].flat();
}

/** @param {unknown} value */
function word(value) {
  if (value === true) return "yes";
  if (value === false) return "no";
  if (value === null) return "none";
  return typeof value === "string" ? value : JSON.stringify(value);
}
