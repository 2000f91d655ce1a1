// @ts-check
/** The words of the ProgRock wire protocol, version 1: types alone, which no page loads. */

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

/** @typedef {{ heartbeat: number, connection: string, user: { name: string | null, anonymous: boolean } }} Hello */
/** @typedef {{ job: string, seq: number, snapshot?: Snapshot, recovered: boolean }} Watching */
/** @typedef {Watching & { snapshot: Snapshot, report_token?: string }} Started */
/** @typedef {{ jobs: Snapshot[], next: string | null }} Page */
/** @typedef {{ id: string, author: string | null, text: string, at: string }} Comment */
/** @typedef {{ title?: string, note?: string, labels?: string[], pinned?: boolean }} Edit */
/** @typedef {"websocket"|"sse"|"polling"} Transport */

/**
 * Why a request was not answered. Of a refused start, `details` says what is wrong with `params`;
 * of an edit in conflict, what is there now.
 * @typedef {object} Problem
 * @property {string} code the protocol's, or `offline`, `lost` or `timeout`
 * @property {string} message
 * @property {boolean} [retryable]
 * @property {any} [details]
 * @property {string} [job]
 */

/**
 * Why there is no connection. `final`: none will be tried by itself; `retrySeconds` otherwise.
 * @typedef {object} Offline
 * @property {number} code the close code, 1006 where the server said nothing
 * @property {string} reason
 * @property {boolean} final
 * @property {number} retrySeconds
 */

/**
 * Something that shall be watched, over as many connections as it takes.
 * @typedef {object} Wish
 * @property {string} [job] left out for the feed
 * @property {Filter} [filter] of the feed
 * @property {number | string} [after] what was seen last, in the words of the transport
 * @property {boolean} [isOver] the job has ended, and HTTP tells no more of it
 * @property {AbortController} [ending] ends what follows over HTTP
 * @property {(answer: any) => void} [resolve]
 * @property {(error: any) => void} [reject]
 */

/**
 * The events of a client, each a CustomEvent with this `detail`.
 * @typedef {object} ClientEvents
 * @property {Hello} hello connected, and this is who we are
 * @property {null} online requests are answered from here on
 * @property {Offline} offline the connection is lost, or another try has failed
 * @property {EventFrame} event something happened to a job; each `seq` of a job comes once
 * @property {Watching | Page} watching a watch began, or began again after a loss. A `snapshot` or
 *     `jobs` in it replace what was known before
 * @property {Problem} refused a watch could not be taken up (again)
 */

export {};
