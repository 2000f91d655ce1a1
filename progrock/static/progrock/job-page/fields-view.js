// @ts-check
/** Title, note and labels, edited in place: Enter or the button saves, Escape undoes. */

import { html, nothing, ref } from "../vendor/lit.js";

/** @typedef {import("../protocol.js").Snapshot} Snapshot */
/** @typedef {import("../field-edit.js").FieldEdit} FieldEdit */
/** @typedef {import("./model.js").EditMark} EditMark */

/**
 * What a field is shown with.
 * @typedef {object} FieldPlace
 * @property {FieldEdit} edit
 * @property {Snapshot} job
 * @property {boolean} mayEdit
 * @property {EditMark | undefined} mark who changed it lately
 */

const TITLE_LENGTH = 200;
const NOTE_LENGTH = 10_000;

/** @param {FieldPlace} place */
export function titleField(place) {
  const { edit, job, mayEdit } = place;
  if (edit.isOpen) {
    return html`<div class="title-place">
      <h1 class="unseen" dir="auto" tabindex="-1">${job.title}</h1>
      ${box(place, "Title")}
    </div>`;
  }
  return html`<div class="title-place">
    <h1 class="title" data-part="title" dir="auto" tabindex="-1">${job.title}</h1>
    ${mayEdit ? pencil("title", place) : nothing} ${markOf(place)}
  </div>`;
}

/** @param {FieldPlace} place */
export function noteField(place) {
  const { edit, job, mayEdit } = place;
  if (!mayEdit && !job.note) return nothing;
  return html`<section class="panel note" aria-labelledby="note-heading">
    <div class="panel-head">
      <h2 id="note-heading">Note</h2>
      ${mayEdit && !edit.isOpen ? pencil("note", place) : nothing}
    </div>
    ${edit.isOpen
      ? box(place, "Note")
      : html`<p class="note-text" data-part="note" dir="auto">${job.note || html`<span class="help">None yet. What others should know of this job goes here.</span>`}</p>`}
    ${markOf(place)}
  </section>`;
}

/** @param {FieldPlace} place */
export function labelsField(place) {
  const { edit, job, mayEdit } = place;
  if (!mayEdit && job.labels.length === 0) return nothing;
  if (edit.isOpen) return html`<div class="labels">${box(place, "Labels, separated by commas")}</div>`;
  return html`<div class="labels">
    <ul class="label-list" aria-label="Labels" data-part="labels" ?hidden=${job.labels.length === 0}>
      ${job.labels.map((label) => html`<li class="label" dir="auto">${label}</li>`)}
    </ul>
    ${mayEdit ? pencil("labels", place, job.labels.length ? "Edit" : "Add labels") : nothing} ${markOf(place)}
  </div>`;
}

/**
 * @param {string} field
 * @param {FieldPlace} place
 * @param {string} [words]
 */
function pencil(field, { edit, job }, words = "Edit") {
  return html`<button class="quiet edit" type="button" data-edits=${field}
    aria-label=${words === "Edit" ? `Edit the ${field}` : nothing} @click=${() => edit.begin(job)}>${words}</button>`;
}

/** @param {FieldPlace} place */
function markOf({ mark }) {
  return html`<p class="edit-mark" role="status">${mark ? html`changed by <bdi>${mark.by ?? "somebody"}</bdi>` : nothing}</p>`;
}

/**
 * @param {FieldPlace} place
 * @param {string} name
 */
function box(place, name) {
  const { edit } = place;
  return edit.phase === "conflict" ? conflict(edit) : form(edit, name);
}

/**
 * @param {FieldEdit} edit
 * @param {string} name
 */
function form(edit, name) {
  const isNote = name === "Note";
  const take = (/** @type {Event} */ event) => {
    edit.draft = /** @type {HTMLInputElement} */ (event.target).value;
  };
  const hear = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Escape") edit.undo();
    else if (event.key !== "Enter" || event.isComposing || (isNote && !event.ctrlKey && !event.metaKey)) return;
    else edit.commit();
    event.preventDefault();
  };
  return html`<form class="edit-form" data-field=${edit.field} @submit=${(/** @type {Event} */ event) => { event.preventDefault(); edit.commit(); }}>
    ${isNote
      ? html`<textarea rows="6" aria-label=${name} dir="auto" maxlength=${NOTE_LENGTH} .value=${edit.draft} @input=${take} @keydown=${hear} ${begun}></textarea>`
      : html`<input type="text" aria-label=${name} dir="auto" autocomplete="off" maxlength=${name === "Title" ? TITLE_LENGTH : nothing}
          .value=${edit.draft} @input=${take} @keydown=${hear} ${begun}>`}
    <button class="primary" type="submit">${edit.phase === "saving" ? "Saving…" : "Save"}</button>
    <button type="button" @click=${() => edit.undo()}>Undo</button>
    <p class="field-error" role="alert" ?hidden=${!edit.problem}>${edit.problem}</p>
  </form>`;
}

/** Give an element the focus when it is drawn first. */
const begun = ref((element) => {
  if (element instanceof HTMLElement && !element.dataset.begun) {
    element.dataset.begun = "true";
    queueMicrotask(() => element.focus());
  }
});

/**
 * The group has the focus, and no button: who still types chooses nothing by it.
 *
 * @param {FieldEdit} edit
 */
function conflict(edit) {
  const hear = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Escape") edit.undo();
  };
  return html`<div class="conflict" data-field=${edit.field} role="group" tabindex="-1"
    aria-label="Two edits at once" @keydown=${hear} ${begun}>
    <p role="alert"><strong>Somebody else changed this while you did.</strong> Which shall stay?</p>
    <dl>
      <div><dt>Theirs</dt><dd dir="auto">${edit.theirs || "(nothing)"}</dd></div>
      <div><dt>Yours</dt><dd dir="auto">${edit.draft || "(nothing)"}</dd></div>
    </dl>
    <div class="conflict-choice">
      <button type="button" class="primary" @click=${() => edit.undo()}>Keep theirs</button>
      <button type="button" @click=${() => edit.commit()}>Write mine</button>
    </div>
  </div>`;
}
