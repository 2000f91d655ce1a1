// @ts-check
/** A job's title, labels and note, edited at its row: each saved when it is left, if it is valid. */

import { find } from "../dom.js";
import { AS_LABELS, FieldEdit, labelsIn } from "../field-edit.js";
import { html, live, nothing, render } from "../vendor/lit.js";

/** @typedef {import("../progrock.js").ProgRock} ProgRock */
/** @typedef {import("../protocol.js").Edit} Edit */
/** @typedef {import("../protocol.js").Snapshot} Snapshot */
/** @typedef {import("./store.js").JobStore} JobStore */
/** @typedef {"title" | "labels" | "note"} Field */

/** @type {Field[]} */
const FIELDS = ["title", "labels", "note"];
const WORDS = { title: "Title", labels: "Labels", note: "Note" };
const HINTS = { title: "", labels: "separated by commas", note: "Ctrl+Enter saves" };
const LENGTHS = { title: 200, labels: 1280, note: 10_000 };
const LABEL_LENGTH = 60;
const MOST_LABELS = 20;

export class JobSheet {
  #root;
  #store;
  #client;
  #onClose;
  #job = "";
  #index = 0;
  /** @type {Record<Field, FieldEdit>} */
  #edits;
  /** @type {Partial<Record<Field, string>>} what is wrong with what was typed */
  #invalid = {};
  /** @type {Partial<Record<Field, Promise<void>>>} settled once a field was saved or refused */
  #sent = {};

  /**
   * @param {HTMLElement} root stands among the rows
   * @param {JobStore} store
   * @param {ProgRock} client
   * @param {(job: string) => void} onClose
   */
  constructor(root, store, client, onClose) {
    this.#root = root;
    this.#store = store;
    this.#client = client;
    this.#onClose = onClose;
    this.#edits = this.#newEdits();
    store.addEventListener("change", () => this.#see());
  }

  /** @param {string} job to be edited from now on, if nothing of another's is left to be settled */
  async open(job) {
    if (!this.#store.jobs.get(job)?.can.includes("edit")) return;
    await this.#finish(() => {}); // the focus goes on into the next one
    if (this.#job) return;
    this.#job = job;
    this.#edits = this.#newEdits();
    this.#invalid = {};
    this.#sent = {};
    this.#root.hidden = false;
    this.#draw();
    const title = this.#root.querySelector("input");
    title?.focus();
    title?.select();
  }

  close(onClose = this.#onClose) {
    const job = this.#job;
    this.#job = "";
    this.#root.hidden = true;
    render(nothing, this.#root);
    onClose(job);
  }

  /** Close once all is saved. What cannot be saved, or meets another's edit, stays to be settled. */
  async #finish(onClose = this.#onClose) {
    const edits = this.#edits;
    await Promise.all(Object.values(this.#sent));
    if (!this.#job || edits !== this.#edits) return; // closed meanwhile
    const open = FIELDS.find((field) => edits[field].isOpen);
    if (open) find(this.#root, `#sheet-${open}`, HTMLElement).focus();
    else this.close(onClose);
  }

  #newEdits() {
    const job = this.#job;
    const save = async (/** @type {Edit} */ set, /** @type {number} */ version) => {
      const now = await this.#client.edit(job, set, version);
      const known = this.#store.jobs.get(job);
      if (known && known.version < now) this.#store.put([{ ...known, ...set, version: now }]);
    };
    const draw = () => this.#draw();
    return {
      title: new FieldEdit("title", save, draw),
      labels: new FieldEdit("labels", save, draw, AS_LABELS),
      note: new FieldEdit("note", save, draw),
    };
  }

  /** Take in what others have changed. */
  #see() {
    const job = this.#store.jobs.get(this.#job);
    if (!this.#job) return;
    if (!job) return this.close();
    for (const field of FIELDS) this.#edits[field].see({ ...job });
    this.#draw();
  }

  #draw() {
    const job = this.#store.jobs.get(this.#job);
    if (!job) return;
    const index = this.#store.indexOf(this.#job);
    if (index >= 0) this.#index = index; // else it does not fit the filter any more: stay
    this.#root.setAttribute("aria-label", `Edit ${job.title}`);
    this.#root.style.setProperty("--index", String(this.#index));
    render(
      html`${FIELDS.map((field) => this.#field(field, job))}
        <div class="sheet-foot">
          <p class="help">Saved when you leave a field. <kbd>Esc</kbd> undoes.</p>
          <button type="button" @click=${() => this.#finish()}>Done</button>
        </div>`,
      this.#root,
    );
  }

  /**
   * @param {Field} field
   * @param {Snapshot} job
   */
  #field(field, job) {
    const edit = this.#edits[field];
    const text = edit.isOpen ? edit.draft : textOf(field, job);
    const problem = this.#invalid[field] || edit.problem;
    const id = `sheet-${field}`;
    const common = {
      begin: () => edit.begin({ ...job }),
      input: (/** @type {InputEvent} */ event) => this.#type(field, event),
      key: (/** @type {KeyboardEvent} */ event) => this.#press(field, event),
      leave: () => this.#leave(field),
    };
    const describedBy = problem ? `${id}-problem` : nothing;
    const control =
      field === "note"
        ? html`<textarea id=${id} rows="3" dir="auto" maxlength=${LENGTHS[field]} .value=${live(text)}
            aria-invalid=${problem ? "true" : nothing} aria-describedby=${describedBy}
            @focus=${common.begin} @input=${common.input} @keydown=${common.key} @blur=${common.leave}
          ></textarea>`
        : html`<input id=${id} type="text" dir="auto" autocomplete="off" maxlength=${LENGTHS[field]}
            .value=${live(text)} aria-invalid=${problem ? "true" : nothing} aria-describedby=${describedBy}
            @focus=${common.begin} @input=${common.input} @keydown=${common.key} @blur=${common.leave}>`;
    return html`<div class="field sheet-${field}">
      <label for=${id}>${WORDS[field]} <span class="optional">${HINTS[field]}</span></label>
      ${control}
      ${problem ? html`<p class="field-error" id="${id}-problem" role="alert">${problem}</p>` : nothing}
      ${edit.phase === "conflict" ? this.#conflict(field) : nothing}
    </div>`;
  }

  /** @param {Field} field */
  #conflict(field) {
    const edit = this.#edits[field];
    return html`<div class="sheet-conflict" role="alert">
      <p>Somebody else has written meanwhile: <q dir="auto">${edit.theirs || "nothing"}</q></p>
      <div class="sheet-choice">
        <button type="button" @click=${() => edit.undo()}>Take theirs</button>
        <button type="button" @click=${() => this.#send(field)}>Keep mine</button>
      </div>
    </div>`;
  }

  /**
   * @param {Field} field
   * @param {Event} event
   */
  #type(field, { target }) {
    const edit = this.#edits[field];
    edit.begin({ ...(this.#store.jobs.get(this.#job) ?? { version: 0 }) });
    edit.draft = /** @type {HTMLInputElement} */ (target).value;
    if (this.#invalid[field]) this.#check(field);
    this.#draw();
  }

  /**
   * @param {Field} field
   * @param {KeyboardEvent} event
   */
  #press(field, event) {
    const edit = this.#edits[field];
    if (event.key === "Escape") {
      event.preventDefault();
      const job = this.#store.jobs.get(this.#job);
      const isTouched = edit.phase === "conflict" || (edit.isOpen && job && edit.draft !== textOf(field, job));
      this.#invalid[field] = "";
      edit.undo();
      if (!isTouched) this.close();
      else if (job) edit.begin({ ...job });
    } else if (event.key === "Enter" && !event.isComposing && (field !== "note" || event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      if (edit.phase === "conflict" || !this.#check(field)) return; // the buttons choose
      this.#send(field);
      this.#finish();
    }
  }

  /** @param {Field} field */
  #leave(field) {
    const edit = this.#edits[field];
    if (edit.phase === "editing" && this.#check(field)) this.#send(field);
  }

  /** @param {Field} field */
  #send(field) {
    this.#sent[field] = this.#edits[field].commit();
  }

  /**
   * Say what is wrong with what was typed.
   * @param {Field} field
   */
  #check(field) {
    const { draft } = this.#edits[field];
    const labels = field === "labels" ? labelsIn(draft) : [];
    let wrong = "";
    if (field === "title" && !draft.trim()) wrong = "A job needs a title.";
    if (labels.length > MOST_LABELS) wrong = `${MOST_LABELS} labels at most.`;
    if (labels.some(({ length }) => length > LABEL_LENGTH)) {
      wrong = `A label has ${LABEL_LENGTH} characters at most.`;
    }
    this.#invalid[field] = wrong;
    this.#draw();
    return !wrong;
  }
}

/**
 * @param {Field} field
 * @param {Snapshot} job
 */
function textOf(field, job) {
  return field === "labels" ? AS_LABELS.write(job.labels) : job[field];
}
