// @ts-check
/** The thread of a job: what was said, and a box to say more. */

import { html, nothing, ref, repeat } from "../vendor/lit.js";
import { moment } from "./moment-view.js";
import { nameOf } from "./timeline.js";

/** @typedef {import("../protocol.js").Comment} Comment */

const COMMENT_LENGTH = 4000;
const SHOWN = 4; // more may have to be scrolled, by keyboard too

/** What is typed and sent. Kept apart from the drawing, so that news take nothing away. */
export class CommentBox {
  draft = "";
  isSending = false;
  problem = "";
  #send;
  #onChange;

  /**
   * @param {(text: string) => Promise<unknown>} send
   * @param {() => void} onChange
   */
  constructor(send, onChange) {
    this.#send = send;
    this.#onChange = onChange;
  }

  async send() {
    const text = this.draft.trim();
    if (!text || this.isSending) return;
    this.isSending = true;
    this.#onChange();
    try {
      await this.#send(text);
      this.draft = "";
      this.problem = "";
    } catch (error) {
      this.problem = /** @type {Error} */ (error).message;
    } finally {
      this.isSending = false;
      this.#onChange();
    }
  }
}

/**
 * @param {Comment[]} comments
 * @param {CommentBox | null} box null for who may not speak
 * @param {{ now: number, isFilling: boolean }} state
 */
export function thread(comments, box, { now, isFilling }) {
  const empty = isFilling ? "Reading…" : "Nobody has said anything yet.";
  return html`
    <section class="panel thread" aria-labelledby="thread-heading">
      <h2 id="thread-heading">Comments</h2>
      ${comments.length
        ? html`<ol class="comments" tabindex=${comments.length > SHOWN ? 0 : nothing} ${toEnd(comments.length)}>${repeat(comments, ({ id }) => id, (comment) => said(comment, now))}</ol>`
        : html`<p class="panel-empty">${empty}</p>`}
      ${box ? form(box) : nothing}
    </section>
  `;
}

/**
 * Bring the latest comment into sight when there is a new one.
 * @param {number} count
 */
function toEnd(count) {
  return ref((list) => {
    if (!(list instanceof HTMLElement) || list.dataset.count === String(count)) return;
    list.dataset.count = String(count);
    queueMicrotask(() => (list.scrollTop = list.scrollHeight)); // it is drawn by then
  });
}

/**
 * @param {Comment} comment
 * @param {number} now
 */
function said({ author, text, at }, now) {
  return html`<li class="comment">
    <p class="comment-head"><bdi class="comment-author">${nameOf(author)}</bdi> ${moment(at, { now })}</p>
    <p class="comment-text" dir="auto">${text}</p>
  </li>`;
}

/** @param {CommentBox} box */
function form(box) {
  const take = (/** @type {Event} */ event) => {
    box.draft = /** @type {HTMLTextAreaElement} */ (event.target).value;
  };
  const hear = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.isComposing) box.send();
  };
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    box.send();
  };
  return html`<form class="comment-form" @submit=${submit}>
    <textarea rows="2" dir="auto" aria-label="Comment" placeholder="Say something to all who watch" maxlength=${COMMENT_LENGTH}
      .value=${box.draft} @input=${take} @keydown=${hear}></textarea>
    <button type="submit" aria-disabled=${box.isSending ? "true" : nothing}>${box.isSending ? "Sending…" : "Comment"}</button>
    <p class="field-error" role="alert" ?hidden=${!box.problem}>${box.problem}</p>
  </form>`;
}
