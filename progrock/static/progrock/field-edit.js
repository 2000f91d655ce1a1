// @ts-check
/** One field of a job while somebody edits it, under the job's version. Pure but for `save`. */

/** @typedef {"idle" | "editing" | "saving" | "conflict"} Phase */
/** @typedef {{ version: number, [field: string]: unknown }} Present what the field and its job are now */
/** @typedef {(set: Record<string, unknown>, version: number) => Promise<unknown>} Save */
/** @typedef {{ read: (text: string) => unknown, write: (value: any) => string }} Form between value and text */

/** @type {Form} */
const AS_TEXT = { read: (text) => text, write: (value) => value };

export class FieldEdit {
  /** @type {Phase} */
  phase = "idle";
  /** What is typed. */
  draft = "";
  /** Why it was not saved; "" where nothing is wrong. */
  problem = "";
  field;
  #save;
  #onChange;
  #form;
  /** @type {any} what the field was when the editing began */
  #base = null;
  #version = 0;

  /**
   * @param {string} field of the job: title, note or labels
   * @param {Save} save rejects with {code, message, details}
   * @param {() => void} onChange
   * @param {Form} [form]
   */
  constructor(field, save, onChange, form = AS_TEXT) {
    this.field = field;
    this.#save = save;
    this.#onChange = onChange;
    this.#form = form;
  }

  get isOpen() {
    return this.phase !== "idle";
  }

  /** In a conflict: what another one wrote meanwhile, as text. */
  get theirs() {
    return this.#form.write(this.#base);
  }

  get #value() {
    return this.#form.read(this.draft);
  }

  /** @param {Present} job as it is now */
  begin(job) {
    if (this.isOpen) return;
    this.#takeBase(job);
    this.draft = this.#form.write(this.#base);
    this.#turn("editing");
  }

  /** Leave the field as it is at the server. */
  undo() {
    this.#turn("idle");
  }

  /**
   * The job has changed: an edit of this very field by somebody else is a conflict at once.
   * @param {Present} job
   */
  see(job) {
    if (this.phase !== "editing" || job.version <= this.#version) return;
    if (same(job[this.field], this.#base) || same(job[this.field], this.#value)) this.#takeBase(job);
    else this.#meet(job);
  }

  /** Write the draft, whatever is there by now in this field's place where the conflict was seen. */
  async commit() {
    if (this.phase !== "editing" && this.phase !== "conflict") return;
    if (same(this.#value, this.#base)) return this.undo();
    this.#turn("saving");
    try {
      await this.#save({ [this.field]: this.#value }, this.#version);
      this.#turn("idle");
    } catch (error) {
      await this.#explain(/** @type {any} */ (error));
    }
  }

  /** @param {{ code?: string, message: string, details?: any }} error */
  async #explain({ code, message, details }) {
    if (code !== "conflict" || !details) {
      this.#turn("editing", message);
      return;
    }
    if (!same(details[this.field], this.#base)) {
      this.#meet(details);
      return;
    }
    this.#takeBase(details); // another field was edited: that is no conflict
    this.#turn("editing");
    await this.commit();
  }

  /** @param {Present} present */
  #meet(present) {
    this.#takeBase(present);
    this.#turn("conflict");
  }

  /** @param {Present} present */
  #takeBase(present) {
    this.#base = present[this.field];
    this.#version = present.version;
  }

  /**
   * @param {Phase} phase
   * @param {string} [problem]
   */
  #turn(phase, problem = "") {
    this.phase = phase;
    this.problem = problem;
    if (phase === "idle") this.draft = "";
    this.#onChange();
  }
}

/**
 * @param {unknown} one
 * @param {unknown} other
 */
function same(one, other) {
  return JSON.stringify(one) === JSON.stringify(other);
}

/**
 * Return the labels that a text names, separated by commas, each once.
 * @param {string} text
 */
export function labelsIn(text) {
  return [...new Set(text.split(",").map((label) => label.trim()).filter(Boolean))];
}

/** @type {Form} */
export const AS_LABELS = { read: labelsIn, write: (labels) => labels.join(", ") };
