// @ts-check
/** The words of the ProgRock wire protocol, version 1: types, errors and close codes. */

/** @typedef {"pending"|"queued"|"running"|"cancelling"|"succeeded"|"failed"|"cancelled"|"timed_out"} State */
/** @typedef {"ok"|"stalled"|"unreachable"} Condition */
/** @typedef {{ code: string, message: string }} JobError */
/** @typedef {{ name: string, state: State, progress: number | null }} Step */

/**
 * A job's full present state. Times are RFC 3339, `progress` is 0 to 100, `eta` is in seconds.
 * @typedef {object} Snapshot
 * @property {string} job
 * @property {number} seq
 * @property {string} backend
 * @property {string} title
 * @property {State} state
 * @property {Condition} condition
 * @property {boolean} complete
 * @property {number | null} progress
 * @property {number | null} current
 * @property {number | null} total
 * @property {string | null} unit
 * @property {string | null} message
 * @property {number | null} eta
 * @property {[number, number] | null} eta_range
 * @property {Step[]} steps
 * @property {Record<string, unknown>} params
 * @property {unknown} result
 * @property {JobError | null} error
 * @property {string | null} owner
 * @property {string[]} labels
 * @property {string} note
 * @property {boolean} pinned
 * @property {number} version
 * @property {string | null} retry_of
 * @property {string} created
 * @property {string | null} started
 * @property {string} updated
 * @property {string | null} finished
 * @property {number | null} watchers
 * @property {string[]} can
 */

/**
 * A numbered change of a job; any one is enough to draw its bar. `presence` alone has no `seq`.
 * @typedef {object} EventFrame
 * @property {string} type
 * @property {string} job
 * @property {number} [seq]
 * @property {string} at
 * @property {State} state
 * @property {Condition} condition
 * @property {number | null} progress
 * @property {number | null} [current]
 * @property {number | null} [total]
 * @property {string | null} [unit]
 * @property {string | null} message
 * @property {number | null} eta
 * @property {boolean} complete
 * @property {Step[]} [steps]
 * @property {unknown} [result]
 * @property {JobError | null} [error]
 * @property {number} [skipped]
 */

/**
 * Which jobs: all fields must match; an absent one matches every job.
 * @typedef {object} Filter
 * @property {State | State[]} [state]
 * @property {string} [backend]
 * @property {string} [label]
 * @property {boolean} [mine]
 */

/** @typedef {{ heartbeat: number, user: { name: string | null, anonymous: boolean } }} Hello */
/** @typedef {{ job: string, seq: number, snapshot?: Snapshot, recovered: boolean }} Watching */
/** @typedef {{ jobs: Snapshot[], next: string | null }} Page */

/** A refused or lost request. `code` is the protocol's, or `offline`, `lost` or `timeout`. */
export class ProgRockError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {{ retryable?: boolean, details?: unknown, job?: string }} [more]
   */
  constructor(code, message, { retryable = false, details, job } = {}) {
    super(message);
    this.name = "ProgRockError";
    this.code = code;
    this.retryable = retryable;
    this.details = details;
    this.job = job;
  }
}

/**
 * Whether a client may connect again, with the same request, after this close code.
 * @param {number} code
 */
export function mayReconnect(code) {
  return code < 4400 || code > 4499 || code === 4408 || code === 4429;
}
