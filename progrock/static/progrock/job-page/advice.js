// @ts-check
/** What can be done about a job that ended badly, or does not move. Pure. */

/** @typedef {import("../protocol.js").Snapshot} Snapshot */
/** @typedef {{ what: string, todo: string }} Advice */

/**
 * Return what happened and what can be done; null for a job that did not end badly.
 * @param {Pick<Snapshot, "state" | "error">} job
 * @param {Record<string, Advice>} advice by the code of an error; "" for all others
 */
export function adviceOn({ state, error }, advice) {
  if (state !== "failed" && state !== "timed_out") return null;
  const code = error?.code ?? "";
  return Object.hasOwn(advice, code) ? advice[code] : advice[""];
}

/**
 * Return what it means that a job is not ok; "" where it is.
 * @param {Pick<Snapshot, "condition" | "complete" | "backend">} job
 */
export function troubleOf({ condition, complete, backend }) {
  if (complete || condition === "ok") return "";
  if (condition === "unreachable") {
    return "What you see is the last that was heard of the job. ProgRock goes on asking.";
  }
  return backend === "push"
    ? "The program has reported nothing for a while: it may be busy, or gone."
    : "The backend answers, but the job does not get on. Its log may say where it hangs.";
}
