// @ts-check
/** A client of the ProgRock wire protocol, in 6 KB gzipped. How to use it: docs/clients.md */

/** @typedef {import("./protocol.js").Filter} Filter */
/** @typedef {import("./protocol.js").Page} Page */
/** @typedef {import("./protocol.js").Transport} Transport */
/** @typedef {import("./protocol.js").Wish} Wish */

const ANSWER_SECONDS = 10;
const PROBE_SECONDS = 4;
const SILENCE_SECONDS = 35;
const WAIT_SECONDS = 25;
const POLL_SECONDS = 3;
const LONGEST_PAUSE_SECONDS = 15;
const STABLE_SECONDS = 10;
const TICK_MS = 5000;
const RETURN_MS = 600_000; // until WebSockets are tried again
const STREAMS = 4; // a browser has six
const SEEN_JOBS = 10_000;

export class ProgRockError extends Error {
  /** @param {import("./protocol.js").Problem} why */
  constructor({ code, message, retryable = true, details, job }) {
    super(message);
    this.name = "ProgRockError";
    this.code = code;
    this.retryable = retryable;
    this.details = details;
    this.job = job;
  }
}

const LOST = { code: "lost", message: "The connection was lost." };

/** @param {number} code that a connection was closed with */
export function mayReconnect(code) {
  return code < 4400 || code > 4499 || code === 4408 || code === 4429;
}

/** @param {number} attempt from 0; the pause before it has full jitter */
export function pauseSeconds(attempt, chance = Math.random()) {
  return chance * Math.min(LONGEST_PAUSE_SECONDS, 0.5 * 2 ** attempt);
}

/** @param {object} fields */
function query(fields) {
  const given = Object.entries(fields).filter(([, value]) => value != null && value !== false);
  const pairs = given.flatMap(([name, value]) => [value].flat().map((one) => [name, `${one}`]));
  return `?${new URLSearchParams(pairs)}`;
}

export class ProgRock extends EventTarget {
  #site;
  #isOwn;
  #token;
  #transports;
  #way = 0; // the index of the transport in use
  #proven = -1; // that of the one that has worked
  #failures = 0; // in a row, of this way
  #attempt = 0;
  /** @type {AbortController | null} set while a connection is wanted */
  #wanted = null;
  /** @type {WebSocket | null} */
  #socket = null;
  #isHttp = false;
  #greetedAt = 0; // 0: not online
  #silenceSeconds = 0;
  #lastSignAt = 0;
  #lastId = 0;
  #retryTimer = 0;
  #watchdog = 0;
  /** @type {Map<string, (answer: any) => void>} by message id */
  #waiting = new Map();
  /** @type {Map<string | undefined, Wish>} by job; undefined for the feed */
  #wishes = new Map();
  /** @type {Map<string, number>} the last seq of each job */
  #seen = new Map();

  /** In milliseconds; 0 for never. */
  lastFrameAt = 0;

  /**
   * @param {string} [site] the page's own when left out
   * @param {{ token?: string, transports?: Transport[] }} options
   */
  constructor(site = "/", { token, transports } = {}) {
    super();
    const page = globalThis.location;
    this.#site = new URL(site.replace(/\/?$/, "/"), page?.href);
    this.#isOwn = page?.origin === this.#site.origin;
    this.#token = token;
    /** @type {Transport[]} */
    const all = ["websocket", "sse", "polling"];
    this.#transports = transports ?? all.slice(page && !this.#isOwn ? 1 : 0); // refused elsewhere
  }

  get isOnline() {
    return this.#greetedAt > 0;
  }

  get transport() {
    return this.#transports[this.#way];
  }

  connect() {
    if (this.#wanted) return;
    this.#wanted = new AbortController();
    const { signal } = this.#wanted;
    for (const type of ["online", "offline", "pageshow"]) {
      globalThis.addEventListener?.(type, () => this.#wake(true), { signal });
    }
    const look = () => document.visibilityState === "visible" && this.#wake();
    globalThis.document?.addEventListener("visibilitychange", look, { signal });
    this.#attempt = 0;
    this.#dial();
  }

  close() {
    this.#stop();
    this.#lose(1000, "closed");
    this.#wishes.clear();
  }

  /**
   * Start a job and watch it. A `key` makes a repetition give the same job.
   * @param {string | null} backend null for the default one
   * @param {Record<string, unknown>} [params]
   * @param {{ title?: string, labels?: string[], key?: string }} [options]
   */
  start(backend, params = {}, options = {}) {
    return this.#begin("start", "jobs", { backend: backend ?? undefined, params, ...options });
  }

  /**
   * Start an ended job once more. With `replace` the params are all of the new ones.
   * @param {string} job
   * @param {{ params?: Record<string, unknown>, replace?: boolean, title?: string, key?: string }} [options]
   */
  retry(job, options = {}) {
    return this.#begin("retry", `jobs/${job}/retry`, options, job);
  }

  /**
   * Follow a job until `unwatch`: from its snapshot on, or the events after a seq.
   * @param {string} job
   * @param {{ after?: number }} options
   * @returns {Promise<import("./protocol.js").Watching>}
   */
  watch(job, { after } = {}) {
    return new Promise((resolve, reject) => this.#follow({ job, after, resolve, reject }));
  }

  /** @param {Filter} [filter] @returns {Promise<Page>} the newest of them */
  feed(filter = {}) {
    return new Promise((resolve, reject) => this.#follow({ filter, resolve, reject }));
  }

  /** @param {string} [job] left out, the feed is meant */
  async unwatch(job) {
    this.#wishes.get(job)?.ending?.abort();
    this.#wishes.delete(job);
    if (!this.isOnline || this.#isHttp) return;
    await this.#request({ action: "unwatch", job, feed: job ? undefined : "jobs" });
  }

  /** @param {string} job */
  async cancel(job) {
    await this.#ask({ action: "cancel", job }, `jobs/${job}/cancel`, {});
  }

  /**
   * Change what people write to a job, unless its version is another by now.
   * @param {string} job
   * @param {import("./protocol.js").Edit} set
   * @param {number} [version]
   * @returns {Promise<number>} the new version
   */
  async edit(job, set, version) {
    const message = { action: "edit", job, set, version };
    const match = version && { "If-Match": `"${version}"` };
    return (await this.#ask(message, `jobs/${job}`, set, "PATCH", match)).version;
  }

  /**
   * @param {string} job
   * @param {string} text
   * @returns {Promise<import("./protocol.js").Comment>}
   */
  async comment(job, text) {
    const told = await this.#ask({ action: "comment", job, text }, `jobs/${job}/comments`, { text });
    return told.comment ?? told;
  }

  /**
   * @param {Filter} [filter]
   * @param {{ limit?: number, cursor?: string }} [options]
   * @returns {Promise<Page>}
   */
  list(filter = {}, options = {}) {
    const path = `jobs${query({ ...filter, ...options })}`;
    return this.#ask({ action: "list", filter, ...options }, path);
  }

  async ping() {
    await this.#ask({ action: "ping" }, "backends");
  }

  /**
   * @param {string} action
   * @param {string} path
   * @param {Record<string, unknown> & { key?: string }} fields
   * @param {string} [job]
   * @returns {Promise<import("./protocol.js").Started>}
   */
  async #begin(action, path, { key, ...body }, job) {
    const once = key && { "Idempotency-Key": key };
    const told = await this.#ask({ action, job, key, ...body }, path, body, "POST", once);
    const started = told.snapshot ? told : { ...told, snapshot: told, recovered: false };
    const wish = { job: told.job, after: this.#seen.get(told.job) ?? told.seq };
    this.#wishes.set(wish.job, wish);
    if (this.#isHttp) this.#run(wish);
    return started;
  }

  /**
   * @param {object} message
   * @param {string} path
   * @param {object} [body]
   * @param {string} [method]
   * @param {object | string | 0} [more] headers
   */
  #ask(message, path, body, method = body ? "POST" : "GET", more) {
    if (!this.#isHttp || !this.isOnline) return this.#request(message);
    const [, csrf = ""] = /\bcsrftoken=([^;]+)/.exec(this.#isOwn ? document.cookie : "") ?? [];
    const headers = { "Content-Type": "application/json", "X-CSRFToken": csrf, ...Object(more) };
    return this.#call(path, { method, headers, body: body && JSON.stringify(body) });
  }

  /** @param {object} message @returns {Promise<any>} */
  #request(message, seconds = ANSWER_SECONDS) {
    const id = `${(this.#lastId += 1)}`;
    return new Promise((resolve, reject) => {
      const settle = (/** @type {any} */ frame) => {
        clearTimeout(timer);
        this.#waiting.delete(id);
        if (frame.code) reject(new ProgRockError(frame));
        else resolve(frame);
      };
      const fail = (/** @type {string} */ code) => settle({ code, message: "No answer came." });
      const timer = setTimeout(fail, seconds * 1000, "timeout");
      this.#waiting.set(id, settle);
      if (this.isOnline) this.#send({ ...message, id });
      else fail("offline");
    });
  }

  /**
   * @param {string} path
   * @param {RequestInit} init
   * @param {(answer: Response, wait: (seconds: number) => void) => Promise<any>} [read]
   */
  async #call(path, init, seconds = ANSWER_SECONDS, read = (answer) => answer.json()) {
    const ending = new AbortController();
    const { signal } = ending;
    const end = () => ending.abort();
    this.#wanted?.signal.addEventListener("abort", end, { signal });
    init.signal?.addEventListener("abort", end, { signal });
    let timer = 0;
    const wait = (/** @type {number} */ seconds) => {
      clearTimeout(timer);
      timer = setTimeout(end, seconds * 1000);
    };
    wait(seconds);
    const headers = { ...init.headers, ...(this.#token && { Authorization: `Bearer ${this.#token}` }) };
    try {
      const url = new URL(`api/v1/${path}`, this.#site);
      const answer = await fetch(url, { ...init, headers, signal, cache: "no-store" });
      if (answer.ok) return await read(answer, wait);
      throw new ProgRockError(await answer.json());
    } catch (error) {
      throw error instanceof ProgRockError ? error : new ProgRockError(LOST); // or no document
    } finally {
      clearTimeout(timer);
      end();
    }
  }

  #dial() {
    clearTimeout(this.#retryTimer);
    if (!this.#wanted || this.#socket || this.#isHttp) return;
    this.#lastSignAt = Date.now();
    this.#isHttp = this.transport !== "websocket";
    this.#silenceSeconds = this.#isHttp ? Infinity : ANSWER_SECONDS;
    if (this.#isHttp) {
      this.#retryTimer = setTimeout(() => this.#wake(true), RETURN_MS);
      this.#wishes.forEach((wish) => this.#run(wish));
      if (!this.#wishes.size) this.#greet();
    } else this.#open();
    this.#guard();
  }

  #open() {
    const url = new URL("prog/", this.#site);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url, ["progrock.v1"]);
    this.#socket = socket;
    socket.onmessage = ({ data }) => {
      if (socket !== this.#socket) return;
      this.#lastSignAt = this.lastFrameAt = Date.now();
      this.#receive(JSON.parse(data));
    };
    socket.onclose = socket.onerror = (/** @type {any} */ { code = 1006, reason = "" }) => {
      if (socket === this.#socket) this.#lose(code, reason);
    };
  }

  /** @param {object} frame */
  #send(frame) {
    this.#socket?.send(JSON.stringify(frame));
  }

  /** @param {number} code @param {string} reason */
  #lose(code, reason) {
    const socket = this.#socket;
    if (!socket && !this.#isHttp) return;
    if (!this.isOnline) this.#giveWay();
    else if (Date.now() - this.#greetedAt >= STABLE_SECONDS * 1000) this.#attempt = 0;
    this.#socket = null;
    this.#isHttp = false;
    this.#greetedAt = 0;
    clearTimeout(this.#watchdog);
    clearTimeout(this.#retryTimer);
    socket?.close(); // a dead one may take minutes to: not waited for
    this.#wishes.forEach((wish) => wish.ending?.abort());
    if (code === 1013 || code === 4429) this.#attempt = Math.max(this.#attempt, 3);
    const final = !this.#wanted || !mayReconnect(code);
    const retrySeconds = pauseSeconds(this.#attempt);
    this.#attempt += 1;
    if (final) this.#stop();
    else this.#retryTimer = setTimeout(() => this.#dial(), retrySeconds * 1000);
    this.#waiting.forEach((settle) => settle(LOST));
    this.#tell("offline", { code, reason, final, retrySeconds });
  }

  #giveWay() {
    this.#failures += 1;
    if (this.#failures < (this.#way === this.#proven ? 10 : 2)) return;
    this.#failures = 0;
    this.#way = (this.#way + 1) % this.#transports.length;
  }

  #stop() {
    this.#wanted?.abort();
    this.#wanted = null;
    clearTimeout(this.#retryTimer);
  }

  /** Wait for silence, and for signs of a sleep. */
  #guard() {
    clearTimeout(this.#watchdog);
    const now = Date.now();
    this.#lastSignAt = Math.min(this.#lastSignAt, now); // the clock may be set back
    const left = this.#lastSignAt + this.#silenceSeconds * 1000 - now;
    const pause = Math.min(left, TICK_MS);
    if (left <= 0) this.#lose(1006, "silence");
    else
      this.#watchdog = setTimeout(() => {
        if (Date.now() - now - pause > TICK_MS) this.#wake(true);
        if (this.#socket || this.#isHttp) this.#guard();
      }, pause);
  }

  async #wake(isElsewhere = false) {
    const socket = this.#socket;
    if (this.#isHttp && isElsewhere) {
      this.#way = 0;
      this.#lose(1006, "woken up");
    }
    if (!socket) {
      this.#attempt = 0;
      this.#dial();
    } else if (this.isOnline) {
      await this.#request({ action: "ping" }, PROBE_SECONDS).catch(() => {
        if (socket === this.#socket) this.#lose(1006, "woken up");
      });
    }
  }

  /** @param {Wish} wish */
  #follow(wish) {
    this.#wishes.get(wish.job)?.ending?.abort();
    this.#wishes.set(wish.job, wish);
    if (this.#isHttp) this.#run(wish);
    else if (this.isOnline) this.#watch(wish);
  }

  /** @param {Wish} wish */
  async #watch(wish) {
    const { job, after, filter } = wish;
    const what = job ? { job, after } : { feed: "jobs", filter };
    try {
      const answer = await this.#request({ action: "watch", ...what });
      wish.resolve?.(answer);
    } catch (error) {
      this.#notTaken(wish, error);
    }
  }

  /** @param {Wish} wish @param {any} error */
  #notTaken(wish, error) {
    const { code, message } = error;
    if (!this.#socket && !this.#isHttp) return;
    if (error.retryable) {
      this.#lose(code === "lost" ? 1006 : 1013, message);
      return;
    }
    if (this.#wishes.get(wish.job) === wish) this.#wishes.delete(wish.job);
    error.job = wish.job;
    wish.reject?.(error);
    this.#tell("refused", error);
    if (code === "not_authenticated") this.#lose(4401, message);
  }

  /** @param {Wish} wish to be followed over HTTP */
  async #run(wish) {
    const { signal } = (wish.ending = new AbortController());
    try {
      while (!signal.aborted && !wish.isOver) {
        const isFirst = [...this.#wishes.values()].indexOf(wish) < STREAMS;
        if (isFirst && this.transport === "sse") await this.#stream(wish, signal);
        else await this.#poll(wish, signal, isFirst);
      }
    } catch (error) {
      if (!signal.aborted) this.#notTaken(wish, error);
    }
  }

  /** @param {Wish} wish @param {AbortSignal} signal */
  #stream(wish, signal) {
    const { job, after, filter } = wish;
    const path = `${job ? `jobs/${job}/` : ""}events${query({ ...filter, after })}`;
    const init = { headers: { Accept: "text/event-stream" }, signal };
    return this.#call(path, init, ANSWER_SECONDS, async (answer, wait) => {
      const reader = /** @type {ReadableStream<Uint8Array>} */ (answer.body).getReader();
      const decoder = new TextDecoder();
      let text = "";
      let id = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        wait(SILENCE_SECONDS);
        this.#greet();
        if (job && after !== undefined && wish.resolve) this.#taken(wish, { recovered: true });
        const lines = (text + decoder.decode(value, { stream: true })).split("\n");
        text = lines.pop() ?? "";
        for (const line of lines) {
          if (line.startsWith("id: ")) id = line.slice(4);
          if (!line.startsWith("data: ") || signal.aborted) continue;
          const frame = JSON.parse(line.slice(6));
          if (!job) wish.after = id;
          if (frame.type !== "snapshot") this.#happen(frame);
          else this.#taken(wish, job ? { snapshot: frame } : frame);
        }
      }
      if (!wish.isOver) throw new ProgRockError(LOST);
    });
  }

  /** @param {Wish} wish @param {AbortSignal} signal @param {boolean} mayWait */
  async #poll(wish, signal, mayWait) {
    const { job, after, filter } = wish;
    const get = async (/** @type {string} */ path, seconds = 0) => {
      const told = await this.#call(`jobs${path}`, { signal }, ANSWER_SECONDS + seconds);
      this.#greet();
      return told;
    };
    if (!job) {
      const page = await get(query(filter ?? {}));
      const news = JSON.stringify(page);
      if (news !== wish.after) this.#taken(wish, page);
      wish.after = news;
    } else if (after === undefined) {
      return this.#taken(wish, { snapshot: await get(`/${job}`) });
    } else {
      const { events, next, recovered } = await get(`/${job}/events${query({ after })}`);
      if (!recovered) wish.after = undefined;
      else if (wish.resolve) this.#taken(wish, { recovered });
      if (recovered && !signal.aborted) for (const frame of events) this.#happen(frame);
      if (!recovered || next || wish.isOver) return;
      const wait = mayWait ? WAIT_SECONDS : 0;
      if (wait) return get(`/${job}${query({ after: wish.after, wait })}`, wait);
    }
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, POLL_SECONDS * 1000);
      signal.addEventListener("abort", () => resolve(clearTimeout(timer)));
    });
  }

  /** @param {Wish} wish @param {any} answer */
  #taken(wish, answer) {
    const { job, after } = wish;
    const seq = answer.snapshot?.seq ?? after;
    const told = { recovered: false, ...answer, ...(job ? { job, seq } : { feed: "jobs" }) };
    this.#know(told);
    wish.isOver = answer.snapshot?.complete;
    this.#tell("watching", told);
    wish.resolve?.(told);
    wish.resolve = undefined;
  }

  /** @param {any} frame */
  #receive(frame) {
    const { type, job } = frame;
    if (type === "hello") {
      if (this.#token && !frame.id) {
        this.#send({ action: "auth", token: this.#token, id: "auth" });
        return;
      }
      if (!this.isOnline) this.#seen.clear();
      this.#greet(frame);
    } else if (type === "watching") {
      this.#know(frame);
      this.#tell(type, frame);
    } else if (type === "started") {
      this.#remember(job, Math.max(frame.seq, this.#seen.get(job) ?? 0));
    }
    if (frame.id) this.#waiting.get(frame.id)?.(frame);
    else if (job && type !== "error") this.#happen(frame);
  }

  #greet(frame = { heartbeat: 0 }) {
    if (this.#isHttp) this.lastFrameAt = Date.now();
    else this.#silenceSeconds = frame.heartbeat * 2 + 5;
    if (this.isOnline) return;
    this.#greetedAt = Date.now();
    this.#failures = 0;
    this.#proven = this.#way;
    this.#tell("hello", frame);
    this.#tell("online");
    if (!this.#isHttp) this.#wishes.forEach((wish) => this.#watch(wish));
  }

  /** @param {any} frame */
  #know(frame) {
    for (const { job, seq } of frame.jobs ?? []) {
      this.#remember(job, Math.max(seq, this.#seen.get(job) ?? 0));
    }
    const asked = Number(this.#wishes.get(frame.job)?.after ?? 0);
    if (frame.job) this.#remember(frame.job, frame.recovered ? asked : frame.seq);
  }

  /** @param {any} frame */
  #happen(frame) {
    const { job, seq } = frame;
    if (seq !== undefined) {
      if (seq <= (this.#seen.get(job) ?? 0)) return;
      this.#remember(job, seq);
      const wish = this.#wishes.get(job);
      if (wish) wish.isOver = frame.complete;
    }
    this.#tell("event", frame);
  }

  /** @param {string} job @param {number} seq */
  #remember(job, seq) {
    this.#seen.delete(job); // the order is that of the last news
    this.#seen.set(job, seq);
    if (this.#seen.size > SEEN_JOBS) this.#seen.delete([...this.#seen.keys()][0]);
    const wish = this.#wishes.get(job);
    if (wish) wish.after = seq;
  }

  /** @param {string} type @param {unknown} [detail] */
  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
