/** Watching a client, with deadlines; and a server that a test plays in the same process. */

import { ProgRock } from "../../progrock/static/progrock/progrock.js";

import { NodeWebSocket } from "./websocket.mjs";

globalThis.WebSocket ??= NodeWebSocket;

export const DEADLINE_MS = 20_000;

/** Wait until a condition holds. */
export async function until(condition, what) {
  const deadline = Date.now() + DEADLINE_MS;
  for (;;) {
    const value = condition();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`not within ${DEADLINE_MS} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A client that keeps what it told. */
export function watched(site, options) {
  const client = new ProgRock(site, options);
  const told = { events: [], offline: [], watching: [], refused: [], online: 0 };
  client.addEventListener("event", ({ detail }) => told.events.push(detail));
  client.addEventListener("offline", ({ detail }) => told.offline.push(detail));
  client.addEventListener("watching", ({ detail }) => told.watching.push(detail));
  client.addEventListener("refused", ({ detail }) => told.refused.push(detail));
  client.addEventListener("online", () => (told.online += 1));
  return { client, told };
}

/** Connect a client, and wait until it is online. */
export async function connected(site, options) {
  const made = watched(site, options);
  made.client.connect();
  await until(() => made.client.isOnline, "online");
  return made;
}

/** The seqs of a job's events that came. */
export function seqs(told, job) {
  return told.events.filter((frame) => frame.job === job && frame.seq).map(({ seq }) => seq);
}

/** In place of the global WebSocket: connections that do what the test says. */
export class PlayedSocket {
  static made = [];
  sent = [];
  isClosed = false;

  constructor(url) {
    this.url = String(url);
    PlayedSocket.made.push(this);
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.isClosed = true;
  }

  /** The server says something. */
  say(frame) {
    this.onmessage({ data: JSON.stringify(frame) });
  }

  hello() {
    this.say({ type: "hello", heartbeat: 15 });
  }

  /** The server closes. */
  end(code, reason = "") {
    this.onclose({ code, reason });
  }
}

/** Time that passes only when the test says so, in place of the global timers and Date. */
export class PlayedClock {
  now = 1_700_000_000_000;
  timers = new Map();
  #last = 0;
  #real = {};

  install() {
    this.#real = { setTimeout, clearTimeout, now: Date.now };
    globalThis.setTimeout = (call, delay = 0, ...args) => {
      this.timers.set((this.#last += 1), { call, at: this.now + delay, delay, args });
      return this.#last;
    };
    globalThis.clearTimeout = (id) => this.timers.delete(id);
    Date.now = () => this.now;
  }

  uninstall() {
    Object.assign(globalThis, { setTimeout: this.#real.setTimeout });
    Object.assign(globalThis, { clearTimeout: this.#real.clearTimeout });
    Date.now = this.#real.now;
  }

  /** Let time pass, and call what falls due in it. */
  pass(milliseconds) {
    const end = this.now + milliseconds;
    for (;;) {
      const due = [...this.timers].filter(([, { at }]) => at <= end).sort((a, b) => a[1].at - b[1].at);
      if (!due.length) break;
      const [[id, { call, at, args }]] = due;
      this.timers.delete(id);
      this.now = Math.max(this.now, at);
      call(...args);
    }
    this.now = end;
  }

  /** The machine sleeps: time goes on, and no timer has rung. */
  sleep(milliseconds) {
    this.now += milliseconds;
    const late = [...this.timers.values()].filter(({ at }) => at <= this.now);
    for (const timer of late) timer.at = this.now;
    this.pass(0);
  }
}
