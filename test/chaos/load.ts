/** Schedules of the load, beside what clients do. */

/** A schedule; those with `everyMs` skip nothing, however long what they start takes. */
export interface LoadSchedule {
  readonly name: string;
  readonly everyMs?: number;
  readonly options: object;
}

export const SCHEDULES: readonly LoadSchedule[] = [
  {
    name: "every-second",
    everyMs: 1000,
    options: { workflow: "tick", input: { ms: 0 }, every: "1s", overlap: "allow-all", jitter: "300ms" },
  },
  {
    name: "one-by-one",
    everyMs: 2000,
    options: { workflow: "tick", input: { ms: 1500 }, every: "2s", overlap: "buffer-all" },
  },
  {
    name: "skipping",
    options: { workflow: "tick", input: { ms: 1200 }, cron: "* * * * * *", overlap: "skip" },
  },
];
