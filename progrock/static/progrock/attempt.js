// @ts-check
/** The key of an attempt to start something. */

/**
 * The same content has the same key until its answer came, so that a repetition after a lost
 * connection does not start a second job.
 */
export class Attempt {
  #content = "";
  #key = "";

  /** @param {string} content */
  keyFor(content) {
    if (!this.#key || this.#content !== content) {
      this.#content = content;
      this.#key = [...crypto.getRandomValues(new Uint32Array(4))].join("-");
    }
    return this.#key;
  }

  /** The answer came: the same content again is something new. */
  end() {
    this.#key = "";
  }
}
