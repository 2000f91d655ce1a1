// @ts-check
/** A job as the page knows it: a snapshot, and how an event frame changes it. Pure. */

/** @typedef {import("./protocol.js").EventFrame} EventFrame */
/** @typedef {import("./protocol.js").Snapshot} Snapshot */

/**
 * Return the job after an event; the same object where the event is old news.
 * @param {Snapshot} job
 * @param {EventFrame & Partial<Snapshot> & { set?: Partial<Snapshot> }} frame
 * @returns {Snapshot}
 */
export function afterEvent(job, frame) {
  if (frame.seq === undefined || frame.seq <= job.seq) return job;
  const hasBegun = frame.state !== "pending";
  /** @type {Snapshot} */
  const after = {
    ...job,
    seq: frame.seq,
    state: frame.state,
    condition: frame.condition,
    complete: frame.complete,
    progress: higher(job.progress, frame.progress),
    message: frame.message,
    eta: frame.eta,
    eta_range: scaledRange(job, frame.eta),
    current: frame.current === undefined ? job.current : frame.current,
    total: frame.total === undefined ? job.total : frame.total,
    unit: frame.unit === undefined ? job.unit : frame.unit,
    steps: frame.steps ?? job.steps,
    started: job.started ?? (hasBegun && !frame.complete ? frame.at : null),
    updated: frame.at,
    can: canAfter(job.can, frame),
  };
  if (frame.type === "complete") {
    after.result = frame.result ?? null;
    after.error = frame.error ?? null;
    after.finished = frame.at;
  }
  if (frame.type === "edited" && frame.set) {
    Object.assign(after, frame.set, { version: frame.version ?? job.version });
  }
  return after;
}

/**
 * Return what is right of two snapshots of one job: the later; its bar is not taken back.
 * @param {Snapshot | undefined} known
 * @param {Snapshot} told
 * @returns {Snapshot}
 */
export function laterOf(known, told) {
  if (!known) return told;
  if (told.seq < known.seq) return known;
  return { ...told, progress: higher(known.progress, told.progress) };
}

/**
 * Compare two jobs for the list: those that run first, and the newest first among equals.
 * @param {Snapshot} one
 * @param {Snapshot} other
 */
export function compareJobs(one, other) {
  if (one.complete !== other.complete) return one.complete ? 1 : -1;
  return compareText(other.created, one.created) || compareText(other.job, one.job);
}

/**
 * Return the mean progress of the jobs that run and know it, 0 to 100; null when none does.
 * @param {Iterable<Snapshot>} jobs
 */
export function meanProgress(jobs) {
  const known = [...jobs].flatMap((job) =>
    job.complete || job.progress === null ? [] : [job.progress],
  );
  return known.length ? known.reduce((sum, progress) => sum + progress, 0) / known.length : null;
}

/**
 * Return the range of a new estimate, which an event does not tell: as wide, for its size, as that
 * of the last one.
 * @param {Snapshot} job
 * @param {number | null} eta
 * @returns {[number, number] | null}
 */
function scaledRange({ eta: before, eta_range: range }, eta) {
  if (!range || !before || eta === null) return null;
  return [(range[0] / before) * eta, (range[1] / before) * eta];
}

/**
 * Return what may be done with a job after an event: one that has ended is retried, by who may
 * edit it.
 * @param {string[]} can
 * @param {EventFrame} frame
 */
function canAfter(can, { complete, state }) {
  const isCancellable = !complete && state !== "cancelling";
  const rest = can.filter((what) => what !== "retry" && (what !== "cancel" || isCancellable));
  return complete && rest.includes("edit") ? ["retry", ...rest] : rest;
}

/**
 * @param {number | null} one
 * @param {number | null} other
 */
function higher(one, other) {
  if (one === null || other === null) return one ?? other;
  return Math.max(one, other);
}

/**
 * @param {string} one
 * @param {string} other
 */
function compareText(one, other) {
  return one < other ? -1 : Number(one > other);
}
