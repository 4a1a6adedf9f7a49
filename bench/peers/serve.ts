/**
 * The bench's side of a driver: a process that has one system open and does what it is told, one line of JSON at a time.
 *
 *     {"open": {"address": …, "folder": …}}      {"opened": {"version": …, "settings": …}}
 *     {"measure": Load}                          {"measured": Loaded}
 *     {"close": true}                            the process ends
 *
 * Answers go to the standard output, which is the driver's alone: what a system prints goes to the standard error. A failure is answered
 * with `{"failed": "why"}`. The load is the same code for every system.
 */
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { percentile } from "../measurement.ts";
import { rssMb } from "../memory.ts";

/** Where a system is to keep its runs. */
export interface Opening {
  /** `postgres://…` of an empty database, or `sqlite:PATH` of a file that is not there yet. */
  readonly address: string;
  /** A folder for whatever else it needs, empty. */
  readonly folder: string;
}

/** A system that is open. */
export interface PeerSubject {
  readonly version: string;
  /** What it was told beyond its defaults, for the table. */
  readonly settings: string;
  /** One run of steps one after the other, start to result. */
  runSequence(steps: number): Promise<void>;
  /** One run of steps all at once, start to result. */
  runFanOut?(steps: number): Promise<void>;
  /** Gets ready for this many runs at a time. */
  prepare?(concurrency: number): Promise<void>;
  /** Memory of processes beside this one, in MB. */
  rssBesideMb?(): number;
  close(): Promise<void>;
}

/** A closed loop: so many callers, each starting its next run when its last one is done. */
export interface Load {
  readonly shape: "sequence" | "fan-out";
  readonly steps: number;
  readonly concurrency: number;
  /** Runs that end in this time do not count. */
  readonly warmUpSeconds: number;
  /** Runs that end in this time do. */
  readonly seconds: number;
  /** The time is stretched until as many runs have ended. */
  readonly atLeast: number;
}

/** How a load went. */
export interface Loaded {
  readonly n: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly rssMb: number;
}

export type Request = { readonly open: Opening } | { readonly measure: Load } | { readonly close: true };

/** Version of a package that is installed beside the driver `module`. */
export function installedVersion(module: string, name: string): string {
  return JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, module), "utf8")).version;
}

/** Answers requests until it is told to close. */
export async function serve(open: (opening: Opening) => Promise<PeerSubject>): Promise<void> {
  const write = process.stdout.write.bind(process.stdout);
  process.stdout.write = process.stderr.write.bind(process.stderr) as typeof process.stdout.write;
  const answer = (value: object): void => void write(`${JSON.stringify(value)}\n`);
  // Then what it started ends with it.
  process.on("SIGTERM", () => process.exit(1));
  let subject: PeerSubject | undefined;
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line) as Request;
    try {
      if ("open" in request) {
        subject = await open(request.open);
        answer({ opened: { version: subject.version, settings: subject.settings } });
      } else if ("measure" in request) answer({ measured: await measure(subject!, request.measure) });
      else break;
    } catch (error) {
      answer({ failed: String((error as Error)?.stack ?? error) });
    }
  }
  await subject?.close();
  process.exit(0);
}

async function measure(subject: PeerSubject, load: Load): Promise<Loaded> {
  await subject.prepare?.(load.concurrency);
  const run = runnerOf(subject, load);
  const latencies: number[] = [];
  const startedAt = performance.now();
  const from = startedAt + load.warmUpSeconds * 1000;
  const until = from + load.seconds * 1000;
  let endedAt = from;
  let over = false;
  const caller = async (): Promise<void> => {
    while (!over) {
      const began = performance.now();
      await run();
      const now = performance.now();
      if (over || now < from) continue;
      latencies.push(now - began);
      endedAt = now;
      over = now >= until && latencies.length >= load.atLeast;
    }
  };
  await Promise.all(Array.from({ length: load.concurrency }, caller));
  const memory = rssMb() + (subject.rssBesideMb?.() ?? 0);
  const [p50Ms, p99Ms] = [percentile(latencies, 0.5), percentile(latencies, 0.99)];
  return { n: latencies.length, seconds: (endedAt - from) / 1000, p50Ms, p99Ms, rssMb: Math.round(memory) };
}

function runnerOf(subject: PeerSubject, { shape, steps }: Load): () => Promise<void> {
  if (shape === "sequence") return () => subject.runSequence(steps);
  if (subject.runFanOut === undefined) throw new Error("this system has no parallel steps");
  return () => subject.runFanOut!(steps);
}
