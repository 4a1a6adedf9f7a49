/** Programs: seeded data that a workflow interprets, so that random workflows are deterministic code. */
import type { Rng } from "./prng.ts";

/** What one attempt of a call does, by attempt number and generation. */
export interface Work {
  readonly id: number;
  /** Virtual time an attempt takes; 0 settles at once. */
  readonly ms: number;
  /** The first so many attempts fail. */
  readonly fails: number;
  /** Fails for good until its outcome was set aside this many times. */
  readonly fatalFor: number;
  readonly beats: number;
  /** The first so many times it begins it takes its process with it. */
  readonly deadly: number;
  /** The first time it returns something that the store refuses to keep. */
  readonly rotten: boolean;
  /** Stops when it is told to; otherwise it goes on regardless. */
  readonly obeys: boolean;
}

export type Program =
  | { readonly op: "all" | "settled" | "race" | "seq"; readonly parts: readonly Program[] }
  | {
      readonly op: "call";
      readonly activity: "work" | "eager" | "steady" | "brief" | "patient" | "far";
      readonly work: Work;
      readonly maxAttempts?: number;
    }
  | { readonly op: "step"; readonly work: Work }
  /** Writes so many rows of the users' own. */
  | { readonly op: "transaction"; readonly id: number; readonly rows: number; readonly maxAttempts?: number }
  | { readonly op: "sleep"; readonly ms: number }
  | { readonly op: "wait"; readonly signal: string; readonly timeoutMs?: number }
  | { readonly op: "try"; readonly body: Program; readonly handler?: Program; readonly rethrow?: boolean }
  | { readonly op: "scope"; readonly timeoutMs?: number; readonly body: Program }
  | { readonly op: "uncancellable"; readonly body: Program }
  | { readonly op: "loop"; readonly times: number; readonly body: Program }
  | { readonly op: "branch"; readonly even: Program; readonly odd: Program }
  | {
      readonly op: "child";
      readonly program: Program;
      readonly spawned: boolean;
      readonly awaited: boolean;
      readonly onParentClose: "cancel" | "terminate" | "abandon";
    }
  | { readonly op: "until"; readonly bumps: number; readonly timeoutMs: number }
  | { readonly op: "tell"; readonly to: string }
  /** One run after another under one workflow id, with handlers. */
  | { readonly op: "chain"; readonly parts: readonly Program[]; readonly finish: boolean }
  | { readonly op: "now" | "random" | "uuid" | "note" | "throw" };

export const SIGNALS = ["go", "stop", "more"] as const;

const DAY_MS = 86_400_000;

/** What a program may use beside steps, timers and waits. */
export interface Reach {
  /** Workflow ids that it may tell something. */
  readonly peers: readonly string[];
  /** How deep children may have children. */
  readonly depth: number;
}

/** Work of children: nobody resumes them, so that nothing of it blocks its run. */
const HARMLESS = { deadly: 0, rotten: false } as const;

class Author {
  readonly #reach: Reach | undefined;
  readonly #isChild: boolean;
  readonly #rng: Rng;
  #ids = 0;
  #left: number;
  readonly #gridMs: number;

  constructor(rng: Rng, size: number, gridMs: number, reach?: Reach, isChild = false) {
    this.#reach = reach;
    this.#isChild = isChild;
    this.#rng = rng;
    this.#left = size;
    this.#gridMs = gridMs;
  }

  program(): Program {
    const parts: Program[] = [];
    while (this.#left > 0) parts.push(this.#part(0));
    return { op: "seq", parts };
  }

  #part(depth: number): Program {
    this.#left--;
    if (this.#reach !== undefined && this.#rng.chance(0.25)) return this.#beyond(this.#reach);
    const roll = this.#rng.next();
    if (roll < 0.3) return this.#call();
    if (roll < 0.34) return this.#transaction();
    if (roll < 0.4) return { op: "step", work: this.#work(this.#rng.chance(0.6) ? 0 : this.#rng.span(1, 2000)) };
    if (roll < 0.5) return { op: "sleep", ms: this.#sleepMs() };
    if (roll < 0.63) return this.#wait();
    if (roll < 0.72) return { op: this.#rng.pick(["now", "random", "uuid", "note"] as const) };
    if (depth >= 3) return this.#call();
    if (roll < 0.85)
      return { op: this.#rng.pick(["all", "race", "settled", "race"] as const), parts: this.#parts(depth, 2, 3) };
    if (roll < 0.89) return this.#attempt(depth);
    if (roll < 0.92) return this.#scope(depth);
    if (roll < 0.95) return { op: "loop", times: this.#rng.int(2, 3), body: this.#block(depth) };
    if (roll < 0.985) return { op: "branch", even: this.#block(depth), odd: this.#block(depth) };
    return { op: "throw" };
  }

  #beyond({ peers, depth }: Reach): Program {
    const roll = this.#rng.next();
    if (roll < 0.2) return { op: "until", bumps: this.#rng.int(0, 3), timeoutMs: this.#sleepMs() };
    if (roll < 0.45) return { op: "tell", to: this.#rng.pick(peers) };
    if (depth === 0) return this.#call();
    const stream = this.#rng.stream(`child ${++this.#ids}`);
    const reach = { peers, depth: depth - 1 };
    const program = new Author(stream, stream.int(1, 4), this.#gridMs, reach, true).program();
    const spawned = this.#rng.chance(0.5);
    return {
      op: "child",
      program: this.#rng.chance(0.3) ? { op: "chain", parts: [program, { op: "note" }], finish: false } : program,
      spawned,
      awaited: !spawned || this.#rng.chance(0.5),
      onParentClose: this.#rng.pick(["cancel", "cancel", "terminate", "abandon"]),
    };
  }

  #attempt(depth: number): Program {
    const body = this.#block(depth);
    if (this.#rng.chance(0.4)) return { op: "try", body };
    const rethrow = this.#rng.chance(0.5);
    return { op: "try", body, handler: rethrow ? this.#block(depth) : this.#part(depth + 1), rethrow };
  }

  #scope(depth: number): Program {
    const body = this.#block(depth);
    const roll = this.#rng.next();
    if (roll < 0.3) return { op: "uncancellable", body };
    return roll < 0.5 ? { op: "scope", body } : { op: "scope", timeoutMs: this.#sleepMs(), body };
  }

  #block(depth: number): Program {
    return { op: "seq", parts: this.#parts(depth, 1, 2) };
  }

  #parts(depth: number, low: number, high: number): Program[] {
    return Array.from({ length: this.#rng.int(low, high) }, () => this.#part(depth + 1));
  }

  #call(): Program {
    const activity = this.#rng.pick([
      "work",
      "work",
      "work",
      "eager",
      "steady",
      "brief",
      "patient",
      "patient",
      "far",
      "far",
    ] as const);
    const any = this.#work(this.#rng.chance(0.3) ? 0 : this.#rng.span(1, 6000));
    // What a task ended with is in the store before its run sees it.
    const work = activity === "far" ? { ...any, rotten: false } : any;
    return this.#rng.chance(0.2)
      ? { op: "call", activity, work, maxAttempts: this.#rng.int(1, 5) }
      : { op: "call", activity, work };
  }

  #transaction(): Program {
    const rows = this.#rng.int(0, 3);
    const id = ++this.#ids;
    return this.#rng.chance(0.3) ? { op: "transaction", id, rows, maxAttempts: 1 } : { op: "transaction", id, rows };
  }

  #work(ms: number): Work {
    return {
      id: ++this.#ids,
      ms,
      fails: this.#rng.chance(0.2) ? this.#rng.int(1, 3) : 0,
      fatalFor: this.#rng.chance(0.05) ? this.#rng.int(1, 2) : 0,
      beats: this.#rng.chance(0.3) ? this.#rng.int(1, 4) : 0,
      deadly: this.#rng.chance(0.01) ? this.#rng.int(1, 6) : 0,
      rotten: this.#rng.chance(0.03),
      obeys: this.#rng.chance(0.5),
      ...(this.#isChild && HARMLESS),
    };
  }

  #sleepMs(): number {
    return Math.round(this.#anySleepMs() / this.#gridMs) * this.#gridMs;
  }

  #anySleepMs(): number {
    const roll = this.#rng.next();
    if (roll < 0.1) return 0;
    if (roll < 0.6) return this.#rng.span(1, 4999);
    if (roll < 0.7) return this.#rng.int(4990, 5010);
    if (roll < 0.92) return this.#rng.span(5000, 30_000);
    return this.#rng.int(1, 4) * DAY_MS;
  }

  #wait(): Program {
    const signal = this.#rng.pick(SIGNALS);
    const roll = this.#rng.next();
    if (roll < 0.4 && !this.#isChild) return { op: "wait", signal };
    return { op: "wait", signal, timeoutMs: roll < 0.9 ? this.#sleepMs() : 2 * DAY_MS };
  }
}

/** A random program of about `size` parts, whose sleeps and timeouts are multiples of `gridMs`. */
export function randomProgram(rng: Rng, size: number, gridMs: number): Program {
  return new Author(rng, size, gridMs).program();
}

/** A program that goes on as new, has handlers, children, and tells others something. */
export function randomChain(rng: Rng, size: number, gridMs: number, reach: Reach): Program {
  const count = rng.pick([1, 1, 2, 3]);
  const parts = Array.from({ length: count }, (_, index) =>
    new Author(rng.stream(`part ${index}`), Math.max(1, Math.round(size / count)), gridMs, reach).program(),
  );
  return { op: "chain", parts, finish: rng.chance(0.6) };
}

/** What somebody starts who does not look after it: every wait has its timeout, and nothing blocks. */
export function randomErrand(rng: Rng, size: number, gridMs: number): Program {
  return new Author(rng, size, gridMs, undefined, true).program();
}

/** How many signals of each name release every wait of a program, however it branches. */
export function waitsOf(program: Program): number {
  switch (program.op) {
    case "wait":
      return 1;
    case "try":
      return waitsOf(program.body) + (program.handler === undefined ? 0 : waitsOf(program.handler));
    case "scope":
    case "uncancellable":
      return waitsOf(program.body);
    case "loop":
      return program.times * waitsOf(program.body);
    case "branch":
      return waitsOf(program.even) + waitsOf(program.odd);
    case "all":
    case "settled":
    case "race":
    case "seq":
    case "chain":
      return program.parts.reduce((sum, part) => sum + waitsOf(part), 0);
    default:
      return 0;
  }
}
