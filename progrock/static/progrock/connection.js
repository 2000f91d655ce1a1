// @ts-check
/** One WebSocket that is kept alive: opened again after a loss, and given up when it is dead. */

import { mayReconnect } from "./protocol.js";

/**
 * Why there is no connection. `final`: none will be tried by itself; `retrySeconds` otherwise.
 * @typedef {object} Offline
 * @property {number} code the close code, 1006 where the server said nothing
 * @property {string} reason
 * @property {boolean} final
 * @property {number} retrySeconds
 */

/**
 * What the owner of a connection does.
 * @typedef {object} Owner
 * @property {(frame: any) => void} receive with a parsed frame
 * @property {(offline: Offline) => void} offline when the connection is lost, or a try failed
 * @property {() => Promise<unknown>} probe asks for a sign of life; rejects when none comes
 */

const FIRST_PAUSE_SECONDS = 0.5;
const LONGEST_PAUSE_SECONDS = 15;
const OVERLOADED_ATTEMPT = 3; // where the pauses begin when the server asks for patience
const STABLE_SECONDS = 10; // a connection that held so long lets the next pauses begin small
const HELLO_SECONDS = 10;
const SPARE_SECONDS = 5; // beyond two heartbeats

/**
 * Return the pause before try number `attempt` (from 0): exponential, with full jitter.
 * @param {number} attempt
 * @param {number} [chance] 0 to 1
 */
export function pauseSeconds(attempt, chance = Math.random()) {
  return chance * Math.min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** attempt);
}

export class Connection {
  #url;
  #owner;
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {AbortController | null} set while a connection is wanted; ends all listeners */
  #wanted = null;
  #attempt = 0;
  #greetedAt = 0; // 0: the server has not said hello
  #silenceSeconds = HELLO_SECONDS; // so much of it, and the connection is dead
  #lastSignAt = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retryTimer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #watchdog;

  /** When the last frame came, in milliseconds since the epoch; 0 for never. */
  lastFrameAt = 0;

  /**
   * @param {string} url
   * @param {Owner} owner
   */
  constructor(url, owner) {
    this.#url = url;
    this.#owner = owner;
  }

  /** Open, and open again after each loss, until `close`. */
  open() {
    if (this.#wanted) return;
    this.#wanted = new AbortController();
    const { signal } = this.#wanted;
    const wake = () => this.#wake();
    globalThis.addEventListener?.("online", wake, { signal });
    globalThis.addEventListener?.("offline", wake, { signal });
    globalThis.addEventListener?.("pageshow", wake, { signal });
    globalThis.document?.addEventListener(
      "visibilitychange",
      () => document.visibilityState === "visible" && wake(),
      { signal },
    );
    this.#attempt = 0;
    this.#dial();
  }

  /** Close for good. */
  close() {
    this.#stop();
    this.lose(1000, "closed by the page");
  }

  /** @param {object} frame */
  send(frame) {
    this.#socket?.send(JSON.stringify(frame));
  }

  /**
   * The server has said hello: from now on its heartbeats are waited for.
   * @param {number} heartbeatSeconds
   */
  greeted(heartbeatSeconds) {
    this.#greetedAt ||= Date.now();
    this.#silenceSeconds = heartbeatSeconds * 2 + SPARE_SECONDS;
    this.#guard();
  }

  /**
   * Let go of the connection, and plan the next one where that makes sense.
   * @param {number} code
   * @param {string} reason
   */
  lose(code, reason) {
    const socket = this.#socket;
    if (!socket) return;
    const heldSeconds = this.#greetedAt ? (Date.now() - this.#greetedAt) / 1000 : 0;
    this.#socket = null;
    clearTimeout(this.#watchdog);
    socket.close(); // a dead one may take minutes to say that it has closed: not waited for
    if (heldSeconds >= STABLE_SECONDS) this.#attempt = 0;
    if (code === 1013 || code === 4429) this.#attempt = Math.max(this.#attempt, OVERLOADED_ATTEMPT);
    const isFinal = !this.#wanted || !mayReconnect(code);
    const retrySeconds = pauseSeconds(this.#attempt);
    this.#attempt += 1;
    if (isFinal) this.#stop();
    else this.#retryTimer = setTimeout(() => this.#dial(), retrySeconds * 1000);
    this.#owner.offline({ code, reason, final: isFinal, retrySeconds });
  }

  #stop() {
    this.#wanted?.abort();
    this.#wanted = null;
    clearTimeout(this.#retryTimer);
  }

  #dial() {
    clearTimeout(this.#retryTimer);
    if (!this.#wanted || this.#socket) return;
    const socket = new WebSocket(this.#url, ["progrock.v1"]);
    this.#socket = socket;
    this.#greetedAt = 0;
    this.#silenceSeconds = HELLO_SECONDS;
    this.#lastSignAt = Date.now();
    socket.addEventListener("message", ({ data }) => {
      if (socket !== this.#socket) return; // given up, and only not closed yet
      this.#lastSignAt = this.lastFrameAt = Date.now();
      this.#owner.receive(JSON.parse(data));
    });
    socket.addEventListener("close", ({ code, reason }) => {
      if (socket === this.#socket) this.lose(code, reason);
    });
    this.#guard();
  }

  /** Wait for silence: the timer is set anew when it rings, not with each frame. */
  #guard() {
    clearTimeout(this.#watchdog);
    const left = this.#lastSignAt + this.#silenceSeconds * 1000 - Date.now();
    if (left <= 0) this.lose(1006, "the server fell silent");
    else this.#watchdog = setTimeout(() => this.#guard(), left);
  }

  /** The network, the page or the machine woke up: is the connection still there? */
  async #wake() {
    const socket = this.#socket;
    if (!socket) {
      this.#attempt = 0;
      this.#dial();
    } else if (this.#greetedAt) {
      try {
        await this.#owner.probe();
      } catch {
        if (socket === this.#socket) this.lose(1006, "the connection did not survive the pause");
      }
    }
  }
}
