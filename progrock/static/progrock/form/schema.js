// @ts-check
/**
 * What a form needs of JSON Schema: which field a schema asks for, how it is explained, and the
 * rules that can be checked before anything is sent. Everything else is for the server to check.
 * https://json-schema.org/draft/2020-12/json-schema-validation
 */

/**
 * @typedef {object} Schema
 * @property {string | string[]} [type]
 * @property {string} [title]
 * @property {string} [description]
 * @property {unknown[]} [enum]
 * @property {unknown} [const]
 * @property {unknown} [default]
 * @property {unknown[]} [examples]
 * @property {string} [format]
 * @property {boolean} [writeOnly]
 * @property {number} [minimum]
 * @property {number} [maximum]
 * @property {number} [exclusiveMinimum]
 * @property {number} [exclusiveMaximum]
 * @property {number} [multipleOf]
 * @property {number} [minLength]
 * @property {number} [maxLength]
 * @property {string} [pattern]
 * @property {number} [minItems]
 * @property {number} [maxItems]
 * @property {boolean} [uniqueItems]
 * @property {Schema} [items]
 * @property {Record<string, Schema>} [properties]
 * @property {string[]} [required]
 * @property {boolean | Schema} [additionalProperties]
 * @property {Schema[]} [oneOf]
 * @property {Schema[]} [anyOf]
 * @property {Schema[]} [allOf]
 * @property {string} [$ref]
 * @property {Record<string, Schema>} [$defs]
 */

/** @typedef {"choice" | "choices" | "checkbox" | "number" | "text" | "object" | "array" | "json"} Kind */
/** @typedef {{ value: unknown, label: string }} Choice */

const DEEPEST = 8;
const figures = new Intl.NumberFormat("en", { maximumFractionDigits: 20 });

/**
 * Return a schema without its `$ref` into the root, and with its only `allOf` taken in.
 * @param {Schema | boolean | undefined} schema
 * @param {Schema} root
 * @returns {Schema}
 */
export function resolved(schema, root) {
  let found = typeof schema === "object" && schema ? schema : {};
  for (let depth = 0; depth < DEEPEST; depth += 1) {
    const { $ref, allOf, ...own } = found;
    if ($ref !== undefined) found = { ...pointed($ref, root), ...own };
    else if (allOf?.length === 1) found = { ...allOf[0], ...own };
    else return found;
  }
  return {};
}

/**
 * @param {string} ref
 * @param {Schema} root
 * @returns {Schema}
 */
function pointed(ref, root) {
  if (!ref.startsWith("#")) return {};
  /** @type {any} */
  let found = root;
  for (const part of partsOf(decodeURIComponent(ref.slice(1)))) found = found?.[part];
  return typeof found === "object" && found ? found : {};
}

/**
 * Return the names that a JSON Pointer (RFC 6901) goes through.
 * @param {string} pointer
 */
export function partsOf(pointer) {
  const parts = pointer.split("/").slice(1);
  return parts.map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/**
 * Return the pointer to a part of what another points to.
 * @param {string} pointer
 * @param {string | number} part
 */
export function pointerTo(pointer, part) {
  return `${pointer}/${String(part).replaceAll("~", "~0").replaceAll("/", "~1")}`;
}

/**
 * @param {Schema} schema
 * @returns {string[]}
 */
export function typesOf({ type, properties, items }) {
  if (type !== undefined) return [type].flat();
  if (properties) return ["object"];
  return items ? ["array"] : [];
}

/**
 * Return which kind of field a schema is drawn as.
 * @param {Schema} schema resolved
 * @param {number} depth how many fields it lies within
 * @returns {Kind}
 */
export function kindOf(schema, depth) {
  if (choicesOf(schema)) return "choice";
  const types = typesOf(schema).filter((type) => type !== "null");
  if (types.length !== 1) return "json";
  switch (types[0]) {
    case "boolean":
      return typeof schema.default === "boolean" ? "checkbox" : "choice";
    case "string":
      return "text";
    case "number":
    case "integer":
      return "number";
    case "object":
      return schema.properties && depth < DEEPEST ? "object" : "json";
    case "array":
      if (!schema.items || depth >= DEEPEST) return "json";
      return schema.uniqueItems && choicesOf(schema.items) ? "choices" : "array";
    default:
      return "json";
  }
}

/**
 * Return the values that a schema names, with what to call them; undefined where any may be.
 * @param {Schema} schema
 * @returns {Choice[] | undefined}
 */
export function choicesOf(schema) {
  if (schema.enum) return schema.enum.map((value) => ({ value, label: word(value) }));
  if (schema.const !== undefined) return [{ value: schema.const, label: word(schema.const) }];
  const named = schema.oneOf ?? schema.anyOf;
  if (named?.length && named.every((each) => each.const !== undefined)) {
    return named.map(({ const: value, title }) => ({ value, label: title ?? word(value) }));
  }
  if (typesOf(schema).includes("boolean") && typesOf(schema).every((type) => /bool|null/.test(type))) {
    return typeof schema.default === "boolean" ? undefined : yesAndNo();
  }
  return undefined;
}

function yesAndNo() {
  return [true, false].map((value) => ({ value, label: word(value) }));
}

/** @param {unknown} value */
function word(value) {
  if (value === true) return "yes";
  if (value === false) return "no";
  if (value === null) return "none";
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** @param {Schema} schema */
export function isSecret({ format, writeOnly }) {
  return format === "password" || writeOnly === true;
}

/**
 * Explain a field: its description, and the bounds that are not seen otherwise.
 * @param {Schema} schema
 */
export function helpText(schema) {
  const { description, examples, minItems, maxItems, multipleOf, format } = schema;
  const { low, high } = boundsOf(schema);
  const zone = new Intl.DateTimeFormat().resolvedOptions().timeZone;
  return [
    description,
    rangeText(low, high),
    multipleOf === undefined || multipleOf === 1 ? "" : `in steps of ${figures.format(multipleOf)}`,
    typesOf(schema).includes("array") ? rangeText(minItems, maxItems, " items") : "",
    format === "date-time" ? `in your time zone, ${zone}` : "",
    examples?.length ? `such as ${examples.slice(0, 3).map(word).join(", ")}` : "",
  ]
    .filter(Boolean)
    .join("; ");
}

/** @param {Schema} schema */
function boundsOf({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }) {
  return { low: minimum ?? exclusiveMinimum, high: maximum ?? exclusiveMaximum };
}

/**
 * @param {number | undefined} low
 * @param {number | undefined} high
 */
function rangeText(low, high, unit = "") {
  if (low !== undefined && high !== undefined) {
    return low === high
      ? `${figures.format(low)}${unit}`
      : `${figures.format(low)} to ${figures.format(high)}${unit}`;
  }
  if (low !== undefined) return low > 0 || !unit ? `at least ${figures.format(low)}${unit}` : "";
  return high === undefined ? "" : `at most ${figures.format(high)}${unit}`;
}

/**
 * Return what is wrong with a value by the schema's plain rules, as a sentence; "" for nothing.
 * @param {unknown} value
 * @param {Schema} schema
 */
export function complaint(value, schema) {
  if (typeof value === "number") return ofNumber(value, schema);
  if (typeof value === "string") return ofText(value, schema);
  return Array.isArray(value) ? ofList(value, schema) : "";
}

/**
 * @param {number} value
 * @param {Schema} schema
 */
function ofNumber(value, schema) {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = schema;
  if (typesOf(schema).includes("integer") && !typesOf(schema).includes("number")) {
    if (!Number.isInteger(value)) return "Enter a whole number.";
    if (!Number.isSafeInteger(value)) return "This number is too large to be sent exactly.";
  }
  if (minimum !== undefined && value < minimum) return `Enter ${figures.format(minimum)} or more.`;
  if (maximum !== undefined && value > maximum) return `Enter ${figures.format(maximum)} or less.`;
  if (exclusiveMinimum !== undefined && value <= exclusiveMinimum) {
    return `Enter more than ${figures.format(exclusiveMinimum)}.`;
  }
  if (exclusiveMaximum !== undefined && value >= exclusiveMaximum) {
    return `Enter less than ${figures.format(exclusiveMaximum)}.`;
  }
  if (multipleOf) {
    const times = value / multipleOf;
    if (Math.abs(times - Math.round(times)) > 1e-9 * Math.max(1, Math.abs(times))) {
      return `Enter a multiple of ${figures.format(multipleOf)}.`;
    }
  }
  return "";
}

/**
 * @param {string} value
 * @param {Schema} schema
 */
function ofText(value, { minLength, maxLength, pattern, format }) {
  const length = [...value].length;
  if (minLength !== undefined && length < minLength) {
    return `Enter at least ${count(minLength, "character")}.`;
  }
  if (maxLength !== undefined && length > maxLength) {
    return `Enter at most ${count(maxLength, "character")}; these are ${figures.format(length)}.`;
  }
  if (pattern !== undefined && !fits(value, pattern)) return `Enter text of the form ${pattern}`;
  if (format === "email" && !/^[^\s@]+@[^\s@]+$/.test(value)) {
    return "Enter an e-mail address, such as ada@example.org.";
  }
  if (format === "uri" && !/^[a-z][a-z0-9+.-]*:\S+$/i.test(value)) {
    return "Enter a whole address, such as https://example.org/.";
  }
  if (format === "uuid" && !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(value)) {
    return "Enter a UUID.";
  }
  return "";
}

/**
 * @param {unknown[]} value
 * @param {Schema} schema
 */
function ofList(value, { minItems, maxItems, uniqueItems }) {
  if (minItems !== undefined && value.length < minItems) return `Add at least ${count(minItems, "item")}.`;
  if (maxItems !== undefined && value.length > maxItems) return `Keep at most ${count(maxItems, "item")}.`;
  if (uniqueItems && new Set(value.map((each) => JSON.stringify(each))).size < value.length) {
    return "Each item may be there once only.";
  }
  return "";
}

/**
 * @param {string} value
 * @param {string} pattern
 */
function fits(value, pattern) {
  try {
    return new RegExp(pattern, "u").test(value);
  } catch {
    return true; // of another dialect: the server checks it
  }
}

/**
 * @param {number} number
 * @param {string} noun
 */
function count(number, noun) {
  return `${figures.format(number)} ${noun}${number === 1 ? "" : "s"}`;
}

/**
 * Return params without what is secret, and so is neither remembered nor put into a link.
 * @param {unknown} value
 * @param {Schema} schema
 * @param {Schema} [root]
 * @returns {unknown} undefined for a secret
 */
export function withoutSecrets(value, schema, root = schema) {
  const its = resolved(schema, root);
  if (isSecret(its)) return undefined;
  if (Array.isArray(value)) {
    const kept = value.map((each) => withoutSecrets(each, its.items ?? {}, root));
    return kept.filter((each) => each !== undefined);
  }
  if (typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value).map(([name, each]) => [
    name,
    withoutSecrets(each, its.properties?.[name] ?? {}, root),
  ]);
  return Object.fromEntries(kept.filter(([, each]) => each !== undefined));
}
