/**
 * What the main thread and the worker thread say to each other.
 *
 * Request: `[id, operation, ...arguments]`. Answer: `[id, OK, ...result]`, `[id, FAILED, code, message, details]` or
 * `[id, REFUSED, code, message]`. A message with id 0 from the worker is a hint that another connection has committed something.
 *
 * A transaction of the user's is named by the id of the request that began it. `ending` is answered when it has ended.
 */

/** Operations by number. */
export const OP = {
  commit: 1,
  register: 2,
  renew: 3,
  lastBatch: 4,
  release: 5,
  sweep: 6,
  claim: 7,
  nextWake: 8,
  load: 9,
  owned: 10,
  inbox: 11,
  send: 12,
  amend: 13,
  remove: 14,
  find: 15,
  list: 16,
  history: 17,
  lastEvent: 18,
  attempts: 19,
  engines: 20,
  putDefinition: 21,
  definition: 22,
  watch: 23,
  open: 24,
  close: 25,
  answer: 26,
  waiting: 27,
  sizes: 28,
  forgetAnswers: 29,
  pauses: 30,
  pause: 31,
  unpause: 32,
  begin: 33,
  query: 34,
  settle: 35,
  abandon: 36,
  ending: 37,
  claimTasks: 40,
  beatTasks: 41,
  settleTasks: 42,
  returnTasks: 43,
  tasksOf: 44,
  queues: 45,
  queueLimits: 46,
  limitQueue: 47,
  waitingActivities: 48,
  announce: 49,
  purge: 60,
  answersOf: 61,
  takeTurn: 62,
  compact: 63,
  someSecrets: 64,
} as const;

export type Operation = (typeof OP)[keyof typeof OP];

export const OK = 0;
export const FAILED = 1;
/** SQLite refused a statement of the user's. */
export const REFUSED = 2;
/** Id of messages from the worker that answer nothing. */
export const HINT = 0;

/** How hard commits are pressed to the disk: `full` survives a power cut, `relaxed` only a crash of the process. */
export type Durability = "full" | "relaxed";

/** What the worker thread is started with. */
export interface WorkerInput {
  readonly path: string;
  readonly durability: Durability;
  /** Whether the database is made and brought up to date; else one that is not there or behind is refused. */
  readonly migrates: boolean;
  /** Random name of this process, the same for every store in it. */
  readonly process: string;
}
