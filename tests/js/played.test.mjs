/** progrock.js against sockets and a clock that the test plays. */

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";

import { mayReconnect, pauseSeconds } from "../../progrock/static/progrock/progrock.js";
import { PlayedClock, PlayedSocket, watched } from "./watching.mjs";

const SITE = "http://server.example/";
const JOB = "0198c0de-0000-7000-8000-000000000001";
const real = { WebSocket: globalThis.WebSocket, fetch: globalThis.fetch, random: Math.random };
let clock;
let clients;

beforeEach(() => {
  PlayedSocket.made = [];
  clients = [];
  clock = new PlayedClock();
  clock.install();
  globalThis.WebSocket = PlayedSocket;
  globalThis.fetch = () => Promise.reject(new TypeError("no network"));
});

afterEach(async () => {
  for (const client of clients) client.close();
  await settled(); // what HTTP calls wait for
  const left = clock.timers.size;
  clock.uninstall();
  Object.assign(globalThis, { WebSocket: real.WebSocket, fetch: real.fetch });
  Math.random = real.random;
  assert.equal(left, 0, "close() leaves no timer behind");
});

function open(options) {
  const made = watched(SITE, options);
  clients.push(made.client);
  made.client.connect();
  return made;
}

const socket = () => PlayedSocket.made.at(-1);
const settled = () => new Promise((resolve) => setImmediate(resolve));

/** Let the pause before the next try pass, and nothing more. */
const retry = (told) => clock.pass(told.offline.at(-1).retrySeconds * 1000);

describe("pauses", () => {
  it("have full jitter below a bound that doubles", () => {
    assert.deepEqual(
      [0, 1, 2, 3, 4, 5, 9].map((attempt) => pauseSeconds(attempt, 1)),
      [0.5, 1, 2, 4, 8, 15, 15],
    );
    assert.equal(pauseSeconds(5, 0), 0);
    const drawn = Array.from({ length: 2000 }, () => pauseSeconds(4));
    assert.ok(Math.min(...drawn) < 1 && Math.max(...drawn) > 7 && Math.max(...drawn) <= 8);
  });

  it("are kept before each try", () => {
    Math.random = () => 0.5;
    const { client, told } = open({ transports: ["websocket"] });
    const expected = [0.25, 0.5, 1, 2, 4, 7.5, 7.5];
    for (const seconds of expected) {
      const tries = PlayedSocket.made.length;
      socket().end(1006);
      assert.equal(told.offline.at(-1).retrySeconds, seconds);
      clock.pass(seconds * 1000 - 1);
      assert.equal(PlayedSocket.made.length, tries);
      clock.pass(1);
      assert.equal(PlayedSocket.made.length, tries + 1);
    }
    assert.equal(client.isOnline, false);
  });

  it("begin small again after a connection that held", () => {
    Math.random = () => 1;
    const { told } = open();
    for (let time = 0; time < 3; time += 1) {
      socket().hello();
      socket().end(1012);
      retry(told);
    }
    assert.equal(told.offline.at(-1).retrySeconds, 2);
    socket().hello();
    clock.pass(10_000);
    socket().end(1012);
    assert.equal(told.offline.at(-1).retrySeconds, 0.5);
  });

  it("are long from the first when the server asks for patience", () => {
    Math.random = () => 1;
    for (const code of [1013, 4429]) {
      const { told, client } = open();
      socket().hello();
      socket().end(code);
      assert.equal(told.offline.at(-1).retrySeconds, 4);
      client.close();
    }
  });
});

describe("close codes", () => {
  it("from 4400 to 4499 end it, but for 4408 and 4429", () => {
    for (let code = 4390; code < 4510; code += 1) {
      const isFinal = code >= 4400 && code <= 4499 && code !== 4408 && code !== 4429;
      assert.equal(mayReconnect(code), !isFinal, String(code));
    }
    for (const code of [1000, 1001, 1006, 1009, 1012, 1013]) assert.ok(mayReconnect(code));
  });

  for (const code of [4400, 4401, 4403]) {
    it(`${code}: nothing is tried again`, () => {
      const { told } = open();
      socket().hello();
      socket().end(code, "no");
      assert.deepEqual({ ...told.offline[0], retrySeconds: 0 }, { code, reason: "no", final: true, retrySeconds: 0 });
      clock.pass(600_000);
      assert.equal(PlayedSocket.made.length, 1);
    });
  }

  for (const code of [1001, 1006, 1012, 1013, 4408, 4429]) {
    it(`${code}: it is tried again`, () => {
      const { told } = open();
      socket().hello();
      socket().end(code);
      retry(told);
      assert.equal(PlayedSocket.made.length, 2);
    });
  }
});

describe("waits", () => {
  it("for a hello end after ten seconds", () => {
    const { told } = open();
    clock.pass(9_999);
    assert.equal(told.offline.length, 0);
    clock.pass(1);
    assert.equal(told.offline.length, 1);
    assert.ok(PlayedSocket.made[0].isClosed);
  });

  it("for an answer end after ten seconds, by `timeout`", async () => {
    const { client } = open();
    socket().hello();
    const refused = assert.rejects(client.cancel(JOB), { code: "timeout", retryable: true });
    clock.pass(10_000);
    await refused;
  });

  it("for heartbeats end after two of them and five seconds", () => {
    const { told } = open();
    socket().hello();
    clock.pass(34_000);
    socket().say({ type: "heartbeat", at: "" });
    clock.pass(34_999);
    assert.equal(told.offline.length, 0);
    clock.pass(1);
    assert.equal(told.offline.length, 1);
  });

  it("end at once with the connection, by `lost`, and begin none without, by `offline`", async () => {
    const { client } = open();
    socket().hello();
    const lost = assert.rejects(client.list(), { code: "lost" });
    socket().end(1001);
    await lost;
    await assert.rejects(client.list(), { code: "offline", retryable: true });
  });
});

describe("a sleep", () => {
  it("that was short is followed by a ping, and the connection is given up without its pong", async () => {
    const { told } = open();
    socket().hello();
    clock.sleep(20_000);
    assert.equal(socket().sent.at(-1).action, "ping");
    clock.pass(4_000);
    await Promise.resolve();
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(told.offline.length, 1);
  });

  it("that was short is survived by a connection that answers", async () => {
    const { told } = open();
    socket().hello();
    clock.sleep(20_000);
    socket().say({ type: "pong", id: socket().sent.at(-1).id });
    await new Promise((resolve) => setImmediate(resolve));
    clock.pass(5_000);
    assert.equal(told.offline.length, 0);
  });

  it("that was long means a new connection", () => {
    const { told } = open();
    socket().hello();
    clock.sleep(3_600_000);
    assert.equal(told.offline.length, 1);
    clock.pass(500);
    assert.equal(PlayedSocket.made.length, 2);
  });

  it("is not seen in a clock that is set back", () => {
    const { told } = open();
    socket().hello();
    clock.now -= 3_600_000;
    for (const timer of clock.timers.values()) timer.at -= 3_600_000;
    clock.pass(34_000);
    assert.equal(told.offline.length, 0);
    clock.pass(6_000);
    assert.equal(told.offline.length, 1, "and the dead are found all the same");
  });
});

describe("a token", () => {
  it("is told before the client is online, and its refusal is final", () => {
    const { client, told } = open({ token: "prk_x" });
    socket().hello();
    assert.equal(client.isOnline, false);
    assert.deepEqual(socket().sent, [{ action: "auth", token: "prk_x", id: "auth" }]);
    socket().say({ type: "hello", heartbeat: 15, id: "auth" });
    assert.equal(client.isOnline, true);
    socket().end(4401);
    assert.equal(told.offline[0].final, true);
  });
});

it("falls back after two tries that nobody answered, from way to way", async () => {
  const { client, told } = open();
  client.watch(JOB).catch(() => {});
  const ways = [];
  for (let time = 0; time < 8; time += 1) {
    ways.push(client.transport);
    if (client.transport === "websocket") socket().end(1006);
    await settled(); // over HTTP the call fails by itself
    retry(told);
  }
  const twice = (way) => [way, way];
  assert.deepEqual(ways, [...["websocket", "sse", "polling"].flatMap(twice), ...twice("websocket")]);
});

it("a WebSocket that has worked is given up only after ten tries", () => {
  const { client, told } = open();
  socket().hello();
  socket().end(1006);
  retry(told);
  for (let time = 0; time < 10; time += 1) {
    assert.equal(client.transport, "websocket");
    socket().end(1006);
    if (time < 9) retry(told);
  }
  assert.equal(client.transport, "sse");
});

it("after close() nothing is said or tried any more", () => {
  const { client, told } = open();
  socket().hello();
  client.close();
  assert.deepEqual([told.offline.length, told.offline[0].code, told.offline[0].final], [1, 1000, true]);
  assert.ok(socket().isClosed);
  socket().end(1000);
  clock.pass(600_000);
  assert.deepEqual([told.offline.length, PlayedSocket.made.length], [1, 1]);
});
