/** What the page of one job makes of events, edits and texts: all that needs no page. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";

const PLACE = "../../progrock/static/progrock/job-page";
const { EventLog } = await import(`${PLACE}/event-log.js`);
const { timelineOf } = await import(`${PLACE}/timeline.js`);
const { curveOf, curveSentence, rateOf } = await import(`${PLACE}/curve.js`);
const { LogLines, partsOf } = await import(`${PLACE}/log-lines.js`);
const { FieldEdit, AS_LABELS, labelsIn } = await import(`${PLACE}/../field-edit.js`);
const { snippetsOf } = await import(`${PLACE}/snippets.js`);
const { adviceOn } = await import(`${PLACE}/advice.js`);

const JOB = "0198c0de-0000-7000-8000-000000000001";
const BEGUN = Date.parse("2026-11-21T05:00:00.000Z");

function event(seq, type, seconds, more = {}) {
  return {
    type,
    job: JOB,
    seq,
    at: new Date(BEGUN + seconds * 1000).toISOString(),
    state: "running",
    condition: "ok",
    progress: null,
    message: null,
    eta: null,
    complete: false,
    ...more,
  };
}

const kindsOf = (events) => timelineOf(events).map(({ kind }) => kind);

describe("the log of events", () => {
  it("holds each seq once and in order, whatever way it came", () => {
    const log = new EventLog();
    log.add([event(5, "progress", 5), event(6, "progress", 6)]);
    const added = log.add([1, 2, 3, 4, 5].map((seq) => event(seq, "progress", seq)));
    log.add([{ ...event(1, "presence", 7), seq: undefined }]);
    assert.deepEqual(added.map(({ seq }) => seq), [1, 2, 3, 4]);
    assert.deepEqual(log.events.map(({ seq }) => seq), [1, 2, 3, 4, 5, 6]);
    assert.equal(log.last, 6);
  });

  it("counts a version up for news alone", () => {
    const log = new EventLog();
    log.add([event(1, "state", 0)]);
    const { version } = log;
    log.add([event(1, "state", 0)]);
    assert.equal(log.version, version);
  });

  it("thins out progress beyond its bound, and keeps all else and the latest", () => {
    const log = new EventLog(100);
    for (let seq = 1; seq <= 1000; seq += 1) {
      log.add([event(seq, seq % 50 === 0 ? "comment" : "progress", seq)]);
    }
    assert.ok(log.events.length <= 100);
    assert.equal(log.events.filter(({ type }) => type === "comment").length, 20);
    assert.equal(log.last, 1000);
    const seqs = log.events.map(({ seq }) => seq);
    assert.deepEqual(seqs, [...seqs].sort((one, other) => one - other));
  });

  it("drops the oldest where nothing can be thinned out, and says so", () => {
    const log = new EventLog(10);
    log.add(Array.from({ length: 30 }, (_, index) => event(index + 1, "comment", index)));
    assert.deepEqual([log.events.length, log.events[0].seq, log.isCut], [10, 21, true]);
  });
});

describe("the timeline", () => {
  it("tells states, conditions and the end, and gathers progress and log", () => {
    const events = [
      event(1, "state", 0, { state: "pending" }),
      event(2, "state", 1, { message: "reading" }),
      event(3, "progress", 2, { progress: 10 }),
      event(4, "log", 2, { lines: ["a", "b"], progress: 10 }),
      event(5, "progress", 3, { progress: 40, message: "half way" }),
      event(6, "log", 3, { lines: ["c"], progress: 40 }),
      event(7, "state", 9, { condition: "stalled", progress: 40 }),
      event(8, "state", 12, { progress: 50 }),
      event(9, "complete", 13, { state: "failed", complete: true, error: { code: "backend_failed", message: "No." } }),
    ];
    const told = timelineOf(events);
    assert.deepEqual(
      told.map(({ kind }) => kind),
      ["pending", "running", "progress", "log", "stalled", "recovered", "failed"],
    );
    const [, running, progress, log, , , failed] = told;
    assert.equal(running.quote, "reading");
    assert.deepEqual([progress.text, progress.quote], ["10\u00a0% to 40\u00a0%", "half way"]);
    assert.equal(log.text, "3 lines of log");
    assert.equal(Date.parse(progress.until) - Date.parse(progress.at), 1000);
    assert.equal(failed.quote, "No.");
  });

  it("tells both where state and condition change at once", () => {
    const events = [
      event(1, "state", 0, { state: "pending", condition: "unreachable" }),
      event(2, "state", 1, { state: "running" }),
    ];
    assert.deepEqual(kindsOf(events), ["pending", "unreachable", "running", "recovered"]);
  });

  it("tells who said and changed what", () => {
    const told = timelineOf([
      event(1, "comment", 0, { comment: { id: "1", author: "ada", text: "Hm.", at: "" } }),
      event(2, "edited", 1, { set: { title: "B", labels: ["x"] }, by: "ben" }),
      event(3, "edited", 2, { set: { pinned: true }, by: null }),
    ]);
    assert.deepEqual(
      told.map(({ text, quote }) => [text, quote]),
      [
        ["ada said", "Hm."],
        ["ben changed the title, labels", "B"],
        ["Somebody pinned it", undefined],
      ],
    );
  });
});

describe("the curve", () => {
  it("has a point for each time, and the spans in which the job was not ok", () => {
    const { times, values, spans, marks } = curveOf([
      event(1, "state", 0, { state: "pending" }),
      event(2, "state", 1, { progress: 0 }),
      event(3, "progress", 1, { progress: 5 }),
      event(4, "state", 4, { progress: 5, condition: "stalled" }),
      event(5, "state", 6, { progress: 5, condition: "unreachable" }),
      event(6, "state", 8, { progress: 50 }),
      event(7, "complete", 9, { progress: 100, state: "succeeded", complete: true }),
      event(8, "comment", 99, { progress: 100, state: "succeeded", complete: true }),
    ]);
    const begun = BEGUN / 1000;
    assert.deepEqual(times, [0, 1, 4, 6, 8, 9].map((second) => begun + second));
    assert.deepEqual(values, [null, 5, 5, 5, 50, 100]);
    assert.deepEqual(spans, [
      { from: begun + 4, to: begun + 6, condition: "stalled" },
      { from: begun + 6, to: begun + 8, condition: "unreachable" },
    ]);
    assert.deepEqual(marks.map(({ kind }) => kind), ["running", "succeeded"]);
  });

  it("leaves a span open while it lasts", () => {
    const { spans } = curveOf([event(1, "state", 0), event(2, "state", 1, { condition: "stalled" })]);
    assert.equal(spans[0].to, null);
  });

  it("is thinned to what a screen can show, and keeps its ends", () => {
    const events = Array.from({ length: 9001 }, (_, seq) => event(seq + 1, "progress", seq, { progress: seq / 100 }));
    const { times, values } = curveOf(events);
    assert.ok(times.length <= 2001);
    assert.deepEqual([values[0], values.at(-1)], [0, 90]);
  });

  it("is told in a sentence", () => {
    const curve = curveOf([
      event(1, "state", 0, { progress: 3 }),
      event(2, "state", 60, { progress: 42.9, condition: "stalled" }),
    ]);
    const sentence = curveSentence(curve, (at) => String(at - BEGUN / 1000));
    assert.equal(sentence, "Progress from 3 % at 0 to 42 % at 60. Nothing moved once.");
    assert.equal(curveSentence(curveOf([]), String), "No progress is known.");
  });
});

describe("the rate", () => {
  const counted = (seq, seconds, current) =>
    event(seq, "progress", seconds, { current, unit: "rows", progress: current / 10 });

  it("is that of the latest quarter", () => {
    const slow = Array.from({ length: 61 }, (_, second) => counted(second + 1, second, second));
    const fast = Array.from({ length: 20 }, (_, second) => counted(second + 62, 61 + second, 70 + second * 10));
    const { perSecond, unit } = rateOf([...slow, ...fast], BEGUN / 1000 + 81);
    assert.equal(unit, "rows");
    assert.ok(perSecond > 8 && perSecond < 11, String(perSecond));
  });

  it("is of the progress where nothing is counted", () => {
    const events = [event(1, "state", 0, { progress: 0 }), event(2, "progress", 10, { progress: 5 })];
    assert.deepEqual(rateOf(events, BEGUN / 1000 + 10), { perSecond: 0.5, unit: "%" });
  });

  it("falls while nothing comes", () => {
    const events = [counted(1, 0, 0), counted(2, 10, 100)];
    assert.ok(rateOf(events, BEGUN / 1000 + 40).perSecond < rateOf(events, BEGUN / 1000 + 10).perSecond);
  });

  it("is not told of a job that stands, waits or has ended", () => {
    const now = BEGUN / 1000 + 20;
    for (const more of [{ condition: "stalled" }, { state: "queued" }, { complete: true, state: "failed" }]) {
      assert.equal(rateOf([counted(1, 0, 0), { ...counted(2, 10, 100), ...more }], now), null);
    }
    assert.equal(rateOf([counted(1, 0, 5), counted(2, 10, 5)], now), null);
    assert.equal(rateOf([], now), null);
  });
});

describe("the lines of the log", () => {
  const lines = (seq, ...texts) => event(seq, "log", seq, { lines: texts });

  it("are taken once, and numbered", () => {
    const log = new LogLines();
    const events = [lines(1, "a"), event(2, "progress", 2), lines(3, "b", "c")];
    assert.deepEqual(log.take(events).map(({ text }) => text), ["a", "b", "c"]);
    assert.deepEqual(log.take([...events, lines(4, "d")]).map(({ text, number }) => [text, number]), [["d", 4]]);
  });

  it("are bounded: the oldest go, and are counted", () => {
    const log = new LogLines(3);
    log.take([lines(1, "a", "b"), lines(2, "c", "d", "e")]);
    assert.deepEqual(log.lines.map(({ text }) => text), ["c", "d", "e"]);
    assert.equal(log.dropped, 2);
  });

  it("are found in any case, as text and not as a pattern", () => {
    const log = new LogLines();
    log.take([lines(1, "A.B", "axb", "nothing")]);
    assert.deepEqual(log.holding("a.b").map(({ text }) => text), ["A.B"]);
    assert.deepEqual(partsOf("xA.Bya.b", "a.b"), ["x", "A.B", "y", "a.b", ""]);
    assert.deepEqual(partsOf("text", ""), ["text"]);
  });
});

describe("a field that is edited", () => {
  function open(present, save, field = "title", form = undefined) {
    const edit = new FieldEdit(field, save, () => {}, form);
    edit.begin(present);
    return edit;
  }

  it("is saved under the version that was seen", async () => {
    const saved = [];
    const edit = open({ title: "A", version: 3 }, async (...told) => saved.push(told));
    edit.draft = "B";
    await edit.commit();
    assert.deepEqual(saved, [[{ title: "B" }, 3]]);
    assert.equal(edit.isOpen, false);
  });

  it("sends nothing where nothing was changed, or it was undone", async () => {
    const edit = open({ title: "A", version: 3 }, () => assert.fail("sent"));
    await edit.commit();
    edit.begin({ title: "A", version: 3 });
    edit.draft = "B";
    edit.undo();
    assert.equal(edit.isOpen, false);
  });

  it("meets an edit of the same field at once, and lets choose", async () => {
    const saved = [];
    const edit = open({ title: "A", version: 3 }, async (...told) => saved.push(told));
    edit.draft = "mine";
    edit.see({ title: "theirs", version: 4 });
    assert.deepEqual([edit.phase, edit.theirs, edit.draft], ["conflict", "theirs", "mine"]);
    await edit.commit();
    assert.deepEqual(saved, [[{ title: "mine" }, 4]]);
  });

  it("is no conflict where another field was edited", async () => {
    const edit = open({ title: "A", version: 3 }, async (_set, version) => assert.equal(version, 4));
    edit.draft = "mine";
    edit.see({ title: "A", version: 4 });
    assert.equal(edit.phase, "editing");
    await edit.commit();
    assert.equal(edit.isOpen, false);
  });

  it("asks again by itself where the server saw another field's edit first", async () => {
    const asked = [];
    const edit = open({ title: "A", version: 3 }, async (_set, version) => {
      asked.push(version);
      const details = { title: "A", version: 5 };
      if (version < 5) throw Object.assign(new Error("no"), { code: "conflict", details });
    });
    edit.draft = "mine";
    await edit.commit();
    assert.deepEqual([asked, edit.phase], [[3, 5], "idle"]);
  });

  it("shows the conflict that the server saw", async () => {
    const edit = open({ title: "A", version: 3 }, async () => {
      throw Object.assign(new Error("no"), { code: "conflict", details: { title: "B", version: 4 } });
    });
    edit.draft = "mine";
    await edit.commit();
    assert.deepEqual([edit.phase, edit.theirs], ["conflict", "B"]);
  });

  it("keeps what was typed where it is refused", async () => {
    const edit = open({ title: "A", version: 3 }, async () => {
      throw Object.assign(new Error("too long"), { code: "bad_message" });
    });
    edit.draft = "mine";
    await edit.commit();
    assert.deepEqual([edit.phase, edit.draft, edit.problem], ["editing", "mine", "too long"]);
  });

  it("reads labels between commas, each once", async () => {
    assert.deepEqual(labelsIn(" a, b,,a ,c d"), ["a", "b", "c d"]);
    const saved = [];
    const edit = open({ labels: ["a"], version: 1 }, async (set) => saved.push(set), "labels", AS_LABELS);
    assert.equal(edit.draft, "a");
    edit.draft = "a, b,";
    await edit.commit();
    assert.deepEqual(saved, [{ labels: ["a", "b"] }]);
  });
});

describe("the same from elsewhere", () => {
  const job = {
    job: JOB,
    backend: "fractal",
    title: `It's "1 < 2" & more`,
    params: { width: 1, deep: { on: true, none: null }, list: [1, "x"] },
    labels: ["a"],
  };
  const texts = (purpose) =>
    Object.fromEntries(snippetsOf(job, purpose, "https://at.example/").map(({ name, text }) => [name, text]));

  it("is a WebSocket message that is JSON", () => {
    assert.deepEqual(JSON.parse(texts("watch").WebSocket), { action: "watch", job: JOB });
    const { action, ...body } = JSON.parse(texts("start").WebSocket);
    assert.equal(action, "start");
    assert.deepEqual(body, { backend: "fractal", params: job.params, title: job.title, labels: ["a"] });
  });

  it("is quoted for the shell, for Python and for HTML", () => {
    const { curl, Python, HTML } = texts("start");
    assert.ok(curl.includes(String.raw`It'\''s`));
    assert.ok(Python.includes(`params={"width": 1, "deep": {"on": True, "none": None}, "list": [1, "x"]}`));
    assert.ok(HTML.includes(`job-title="It's &quot;1 &lt; 2&quot; &amp; more"`));
    assert.ok(texts("watch").HTML.includes(`<progrock-job job="${JOB}"></progrock-job>`));
  });
});

describe("advice", () => {
  const known = { lost: { what: "L", todo: "l" }, "": { what: "O", todo: "o" } };
  it("is given for bad ends alone, by the code", () => {
    assert.equal(adviceOn({ state: "failed", error: { code: "lost", message: "" } }, known).what, "L");
    assert.equal(adviceOn({ state: "timed_out", error: { code: "constructor", message: "" } }, known).what, "O");
    assert.equal(adviceOn({ state: "cancelled", error: null }, known), null);
  });
});
