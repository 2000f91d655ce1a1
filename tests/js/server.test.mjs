/** progrock.js against the real server, through a proxy that can be cut. PROGROCK_URL names it. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { Proxy } from "./proxy.mjs";
import { connected, seqs, until, watched } from "./watching.mjs";

const URL_ = process.env.PROGROCK_URL;
const WORK = JSON.parse(process.env.PROGROCK_WORK); // {steps, slow}: [backend, params]
const API = `${URL_}/api/v1`;
const TRANSPORTS = ["websocket", "sse", "polling"];

/** All events of a job, as the server keeps them. */
async function logOf(job) {
  return (await (await fetch(`${API}/jobs/${job}/events?limit=1000`)).json()).events;
}

async function started(client, work = WORK.steps, options = {}) {
  return client.start(work[0], work[1], options);
}

async function completed(told, job) {
  return until(() => told.events.find((frame) => frame.job === job && frame.complete), "complete");
}

/** Each event once and in order; of `progress` some may be merged into a later one. */
function assertWhole(told, job, log, after) {
  const came = seqs(told, job);
  assert.deepEqual(came, [...new Set(came)].sort((a, b) => a - b), "in order, each once");
  const kept = log.filter(({ seq, type }) => seq > after && type !== "progress");
  for (const { seq, type } of kept) assert.ok(came.includes(seq), `${type} ${seq} is missing`);
  const skipped = told.events.filter((frame) => frame.job === job).map((frame) => frame.skipped ?? 0);
  const total = came.length + skipped.reduce((sum, count) => sum + count, 0);
  assert.equal(total, log.filter(({ seq }) => seq > after).length, "none is missing");
}

for (const transport of TRANSPORTS) {
  describe(`over ${transport} alone`, () => {
    let proxy;
    before(async () => (proxy = await new Proxy(URL_).open()));
    after(() => proxy.close());

    it("a job is started, and followed to its end", async () => {
      const { client, told } = await connected(proxy.url, { transports: [transport] });
      const { job, seq, snapshot } = await started(client, WORK.steps, { title: "Followed" });
      assert.equal(snapshot.title, "Followed");
      assert.equal((await completed(told, job)).progress, 100);
      assertWhole(told, job, await logOf(job), seq);
      client.close();
    });

    it("a lost connection costs no event, and brings none twice", async () => {
      const { client, told } = await connected(proxy.url, { transports: [transport] });
      const { job, seq } = await started(client);
      for (let cuts = 0; cuts < 3; cuts += 1) {
        const before = told.events.length;
        await until(() => told.events.length > before, "an event");
        if (told.events.at(-1).complete) break;
        proxy.cut();
      }
      await completed(told, job);
      assert.ok(told.offline.length > 0);
      assertWhole(told, job, await logOf(job), seq);
      client.close();
    });

    it("a watch goes on after a seq that another way has seen", async () => {
      const { client, told } = await connected(proxy.url, { transports: [transport] });
      const { job } = await started(client);
      await completed(told, job);
      const log = await logOf(job);
      for (const other of TRANSPORTS) {
        const second = await connected(proxy.url, { transports: [other] });
        const answer = await second.client.watch(job, { after: 3 });
        assert.equal(answer.recovered, true);
        await completed(second.told, job);
        assert.deepEqual(seqs(second.told, job), log.map(({ seq }) => seq).filter((seq) => seq > 3));
        second.client.close();
      }
      client.close();
    });

    it("a watch without a seq begins with the snapshot, also of an ended job", async () => {
      const first = await connected(URL_, {});
      const { job } = await started(first.client);
      await completed(first.told, job);
      const { client } = await connected(proxy.url, { transports: [transport] });
      const { snapshot, recovered } = await client.watch(job);
      assert.deepEqual([snapshot.state, snapshot.job, recovered], ["succeeded", job, false]);
      first.client.close();
      client.close();
    });

    it("a seq beyond the log begins again from the snapshot", async () => {
      const { client, told } = await connected(proxy.url, { transports: [transport] });
      const { job } = await started(client);
      await completed(told, job);
      const other = await connected(proxy.url, { transports: [transport] });
      other.client.watch(job, { after: 100_000 });
      const answer = await until(() => other.told.watching.find((told) => told.snapshot), "snapshot");
      assert.deepEqual([answer.job, answer.recovered], [job, false]);
      client.close();
      other.client.close();
    });

    it("edits, comments, lists, retries and cancels are answered alike", async () => {
      const { client, told } = await connected(proxy.url, { transports: [transport] });
      const { job, snapshot } = await started(client, WORK.slow, { labels: ["alike"] });
      const version = await client.edit(job, { title: "Edited" }, snapshot.version);
      assert.equal(version, snapshot.version + 1);
      await assert.rejects(client.edit(job, { title: "Late" }, snapshot.version), (error) => {
        assert.deepEqual([error.code, error.details.title, error.retryable], ["conflict", "Edited", false]);
        return true;
      });
      const comment = await client.comment(job, "Said");
      assert.equal(comment.text, "Said");
      const has = (type) => told.events.some((frame) => frame.job === job && frame.type === type);
      await until(() => has("edited") && has("comment"), "what was said as events");
      const active = { label: "alike", state: ["pending", "queued", "running"] };
      const page = await client.list(active, { limit: 200 });
      assert.ok(page.jobs.some((listed) => listed.job === job));
      assert.ok(page.jobs.every(({ labels }) => labels.includes("alike")));

      await assert.rejects(client.retry(job), { code: "not_finished" });
      await client.cancel(job);
      assert.equal((await completed(told, job)).state, "cancelled");
      await assert.rejects(client.cancel(job), { code: "not_cancellable" });
      const again = await client.retry(job);
      assert.equal(again.snapshot.retry_of, job);
      await client.cancel(again.job);
      await completed(told, again.job);
      await client.ping();
      client.close();
    });

    it("the same key starts one job", async () => {
      const { client } = await connected(proxy.url, { transports: [transport] });
      const key = `once-${transport}-${Date.now()}`;
      const one = await started(client, WORK.steps, { key });
      const two = await started(client, WORK.steps, { key });
      assert.equal(one.job, two.job);
      client.close();
    });

    it("refused parameters and unknown jobs are told as such", async () => {
      const { client, told } = await connected(proxy.url, { transports: [transport] });
      await assert.rejects(client.start("nowhere"), { code: "unknown_backend", retryable: false });
      const nobody = "0198c0de-0000-7000-8000-000000000000";
      await assert.rejects(client.watch(nobody), { code: "unknown_job", job: nobody });
      assert.equal(told.refused[0].code, "unknown_job");
      assert.equal(client.isOnline, true);
      client.close();
    });

    it("the feed tells of jobs that others start, also after a cut", async () => {
      const label = `feed-${transport}-${Date.now()}`;
      const { client, told } = await connected(proxy.url, { transports: [transport] });
      const page = await client.feed({ label });
      assert.deepEqual(page.jobs, []);
      const other = await connected(URL_, {});
      const news = (job) =>
        told.events.some((frame) => frame.job === job) ||
        told.watching.some(({ jobs }) => jobs?.some((listed) => listed.job === job));
      const first = await started(other.client, WORK.steps, { labels: [label] });
      await until(() => news(first.job), "the first job");
      proxy.cut();
      const second = await started(other.client, WORK.steps, { labels: [label] });
      await until(() => news(second.job), "the second job");
      const seen = told.events.map(({ job, seq }) => `${job} ${seq}`);
      if (transport !== "websocket") assert.equal(new Set(seen).size, seen.length, "twice");
      client.close();
      other.client.close();
    });

    it("close() leaves no connection behind, and no request comes after it", async () => {
      const { client } = await connected(proxy.url, { transports: [transport] });
      await client.feed();
      await started(client, WORK.slow);
      client.close();
      await until(() => proxy.underWay === 0, "all that was under way has ended");
      const other = await connected(URL_, {});
      const aWhile = async () => completed(other.told, (await started(other.client)).job);
      await aWhile(); // for what was on its way
      const before = proxy.seen.length;
      await aWhile();
      assert.equal(proxy.seen.length, before);
      other.client.close();
    });
  });
}

describe("falling back", () => {
  let proxy;
  before(async () => (proxy = await new Proxy(URL_).open()));
  after(() => proxy.close());

  it("to event streams where WebSockets do not pass", async () => {
    proxy.allow.sockets = false;
    const { client, told } = watched(proxy.url);
    client.connect();
    await until(() => client.isOnline, "online");
    assert.equal(client.transport, "sse");
    const { job, seq } = await started(client);
    await completed(told, job);
    assertWhole(told, job, await logOf(job), seq);
    assert.equal(proxy.count(/^UPGRADE/), 2);
    client.close();
  });

  it("to long polling where streams are held back as well", async () => {
    Object.assign(proxy.allow, { sockets: false, holdStreams: true });
    const other = await connected(URL_, {});
    const slow = await started(other.client, WORK.slow);
    const { client, told } = watched(proxy.url);
    client.watch(slow.job).catch(() => {});
    client.connect();
    const deadline = Date.now() + 45_000; // twice ten seconds of patience with a silent stream
    while (!client.isOnline && Date.now() < deadline) await new Promise((go) => setTimeout(go, 20));
    assert.equal(client.transport, "polling");
    const before = told.events.length;
    await until(() => told.events.length > before + 1, "events by polling");
    await other.client.cancel(slow.job);
    await completed(told, slow.job);
    client.close();
    other.client.close();
  });

  it("and what was seen over a socket is not told again over a stream", async () => {
    Object.assign(proxy.allow, { sockets: true, holdStreams: false });
    const { client, told } = await connected(proxy.url, {});
    const { job, seq } = await started(client);
    await until(() => told.events.length > 1, "events");
    const seen = seqs(told, job).at(-1);
    client.close();
    const other = await connected(proxy.url, { transports: ["sse"] });
    await other.client.watch(job, { after: seen });
    await completed(other.told, job);
    const came = [...seqs(told, job).filter((at) => at <= seen), ...seqs(other.told, job)];
    assert.deepEqual(came, (await logOf(job)).map((frame) => frame.seq).filter((at) => at > seq));
    other.client.close();
  });
});

describe("a share token", () => {
  for (const transport of TRANSPORTS) {
    it(`is enough to follow its job over ${transport}`, async () => {
      const owner = await connected(URL_, {});
      const { job } = await started(owner.client);
      const answer = await fetch(`${API}/jobs/${job}/share`, { method: "POST" });
      const { token } = await answer.json();
      const { client, told } = watched(URL_, { token, transports: [transport] });
      client.watch(job);
      client.connect();
      const { snapshot } = await until(() => told.watching[0], "watching");
      assert.deepEqual(snapshot.can, []);
      await until(() => snapshot.complete || told.events.some(({ complete }) => complete), "end");
      client.close();
      owner.client.close();
    });

    it(`that is wrong ends it over ${transport}`, async () => {
      const { client, told } = watched(URL_, { token: "prs_wrong", transports: [transport] });
      client.watch("0198c0de-0000-7000-8000-000000000000").catch(() => {});
      client.connect();
      const { final, code } = await until(() => told.offline[0], "offline");
      assert.deepEqual([final, code], [true, 4401]);
      client.close();
    });
  }
});
