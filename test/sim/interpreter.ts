/** The workflow that interprets programs, and the activities it calls. */
import type { StoreTransaction } from "../../src/core/sql-transaction.ts";
import { type Activity, type ActivityContext, activity, FatalError } from "../../src/workflow/activity.ts";
import type { WorkflowContext } from "../../src/workflow/context.ts";
import type { Update } from "../../src/workflow/signal.ts";
import { type AnyWorkflow, workflow } from "../../src/workflow/workflow.ts";
import type { Program, Work } from "./program.ts";

/** The process an activity runs in: what `ctx.deps` is. */
export interface WorkPlace {
  /** Resolves after virtual time, if the process lives that long. */
  pause(ms: number): Promise<void>;
  started(key: string, attempt: number): void;
  /** How often this effect has begun anywhere. */
  begun(key: string): number;
  /** The process dies if this effect has begun no more than `times`. */
  dies(key: string, times: number): void;
  ended(key: string, attempt: number, how: string): void;
  /** Whether the process dies here. */
  mayDie(): void;
}

/** A result that the simulated store cannot keep. */
export const INDIGESTIBLE = "indigestible";

type Log = unknown[];

async function work(task: Work, ctx: ActivityContext): Promise<unknown> {
  const place = ctx.deps as WorkPlace;
  begin(task, ctx);
  const slices = task.beats + 1;
  for (let slice = 1; slice <= slices; slice++) {
    if (task.ms > 0) await place.pause(task.ms / slices);
    if (task.deadly > 0) place.dies(ctx.idempotencyKey, task.deadly);
    if (task.obeys && ctx.signal.aborted) {
      place.ended(ctx.idempotencyKey, ctx.attempt, "aborted");
      throw new Error("the activity was told to stop");
    }
    if (slice < slices) ctx.heartbeat({ slice, attempt: ctx.attempt });
    place.mayDie();
  }
  return finish(task, ctx);
}

function begin(task: Work, ctx: ActivityContext): void {
  (ctx.deps as WorkPlace).started(ctx.idempotencyKey, ctx.attempt);
  if (task.fails >= ctx.attempt && task.id % 7 === 0)
    throw new Error(`attempt ${ctx.attempt} of ${task.id} failed early`);
}

function finish(task: Work, ctx: ActivityContext): unknown {
  const place = ctx.deps as WorkPlace;
  const { idempotencyKey: key, attempt } = ctx;
  const generation = Number(key.split(":")[2] ?? 0);
  if (generation < task.fatalFor) {
    place.ended(key, attempt, "fatal");
    throw new FatalError(`${task.id} is beyond repair`);
  }
  if (attempt <= task.fails) {
    place.ended(key, attempt, "failed");
    throw new Error(`attempt ${attempt} of ${task.id} failed`);
  }
  place.ended(key, attempt, "completed");
  if (task.rotten && place.begun(key) === 1) return INDIGESTIBLE;
  return { id: task.id, attempt, key, beat: ctx.lastHeartbeat };
}

/** A step without any waiting: its outcome is there before the engine looks. */
function instant(task: Work, ctx: ActivityContext): unknown {
  begin(task, ctx);
  return finish(task, ctx);
}

const perform = (task: Work, ctx: ActivityContext): unknown => (task.ms === 0 ? instant(task, ctx) : work(task, ctx));

export const ACTIVITIES: Readonly<Record<string, Activity<Work, unknown>>> = {
  work: activity("work", { retry: { initial: "300ms" } }, perform),
  eager: activity("eager", { journal: "start", retry: { initial: "50ms", maxAttempts: 4 } }, perform),
  steady: activity("steady", { heartbeatTimeout: "2s", retry: { initial: "1s", jitter: 0.5 } }, perform),
  brief: activity("brief", { timeout: "1500ms", totalTimeout: "20s", retry: { backoff: "constant" } }, perform),
  far: activity("far/work", { heartbeatTimeout: "3s", retry: { initial: "200ms" } }, perform),
  patient: activity("patient", { retry: { initial: "7s", maxAttempts: 4 } }, perform),
};

/** What an update asks for. */
export interface Bump {
  readonly asker: string;
  readonly n: number;
}

const BUMP: Update<Bump, unknown> = { kind: "update", name: "bump" };
/** Updates that may be worked on at a time. */
const MOST_BUMPS = 2;
/** Ids of work of handlers begin here. */
const HANDLER_IDS = 5000;

const EASY: Omit<Work, "id" | "ms"> = {
  fails: 0,
  fatalFor: 0,
  beats: 0,
  deadly: 0,
  rotten: false,
  obeys: true,
};

class Interpreter {
  /** Updates handled, and those being handled. */
  #bumps = 0;
  #bumping = 0;
  #told = 0;
  readonly #wf: WorkflowContext;
  readonly log: Log = [];
  #last: unknown;

  constructor(wf: WorkflowContext) {
    this.#wf = wf;
  }

  /** A chain of runs: one part each. */
  async chain({ parts, finish }: Extract<Program, { op: "chain" }>): Promise<unknown> {
    const wf = this.#wf;
    wf.on(BUMP, (bump) => this.#bump(bump), {
      validate: ({ n }) => {
        if (n % 5 === 0) throw new RangeError(`${n} is not taken`);
        if (this.#bumping >= MOST_BUMPS) throw new Error("busy");
      },
    });
    const [part, ...rest] = parts;
    if (part !== undefined) await this.run(part);
    if (finish) await wf.handlersFinished();
    return rest.length === 0 ? this.log : wf.continueAsNew({ op: "chain", parts: rest, finish });
  }

  async #bump({ asker, n }: Bump): Promise<unknown> {
    const place = ++this.#bumps;
    this.#bumping++;
    try {
      if (n % 2 === 0) await this.#wf.sleep(n * 300);
      else await this.#wf.call(ACTIVITIES.work!, { ...EASY, id: HANDLER_IDS + n, ms: n * 200 });
      return { asker, n, place };
    } finally {
      this.#bumping--;
    }
  }

  async #child({ program, spawned, awaited, onParentClose }: Extract<Program, { op: "child" }>): Promise<void> {
    const wf = this.#wf;
    if (!spawned) {
      this.#note(await wf.child(wf.info.workflow, program, { onParentClose }));
      return;
    }
    const handle = await wf.spawn(wf.info.workflow, program, { onParentClose });
    this.#note(handle.runId);
    if (awaited) this.#note(await handle.result());
  }

  /** Whoever is told may have ended, or never begun. */
  async #tell(to: string): Promise<void> {
    const payload = { from: this.#wf.info.runId, of: this.#told++ };
    try {
      await this.#wf.handle(to).signal("more", payload);
      this.#note("told");
    } catch (error) {
      const { code } = error as { code?: string };
      if (code !== "NOT_FOUND" && code !== "RUN_CLOSED") throw error;
      this.#note(code);
    }
  }

  async run(program: Program): Promise<void> {
    switch (program.op) {
      case "seq":
        for (const part of program.parts) await this.run(part);
        return;
      case "all":
        await Promise.all(program.parts.map((part) => this.run(part)));
        return;
      case "settled":
        this.#note((await Promise.allSettled(program.parts.map((part) => this.run(part)))).map(({ status }) => status));
        return;
      case "race":
        await Promise.race(program.parts.map((part) => this.run(part)));
        return;
      case "loop":
        for (let time = 0; time < program.times; time++) await this.run(program.body);
        return;
      case "branch":
        return this.run(this.#choose() ? program.even : program.odd);
      case "scope":
        return this.#scope(program);
      case "uncancellable":
        return this.#wf.uncancellable(() => this.run(program.body));
      case "try":
        return this.#attempt(program);
      case "chain":
        return;
      default:
        return this.#leaf(program);
    }
  }

  async #attempt({ body, handler, rethrow = false }: Extract<Program, { op: "try" }>): Promise<void> {
    try {
      await this.run(body);
    } catch (error) {
      this.#note(String(error));
      if (handler !== undefined) await this.run(handler);
      if (rethrow) throw error;
    }
  }

  #scope({ body, timeoutMs }: Extract<Program, { op: "scope" }>): Promise<void> {
    const run = (): Promise<void> => this.run(body);
    return timeoutMs === undefined ? this.#wf.scope(run) : this.#wf.scope(run, { timeout: timeoutMs });
  }

  async #leaf(program: Exclude<Program, { parts: unknown } | { body: unknown } | { even: unknown }>): Promise<void> {
    const wf = this.#wf;
    switch (program.op) {
      case "call": {
        const { maxAttempts } = program;
        const options =
          maxAttempts === undefined ? undefined : { retry: { maxAttempts }, label: `call-${program.work.id}` };
        this.#note(await wf.call(ACTIVITIES[program.activity]!, program.work, options));
        return;
      }
      case "step":
        this.#note(await wf.step(`step-${program.work.id}`, (ctx) => perform(program.work, ctx)));
        return;
      case "transaction":
        return this.#transaction(program);
      case "sleep":
        await wf.sleep(program.ms);
        this.#note(wf.now());
        return;
      case "wait":
        this.#note(
          await (program.timeoutMs === undefined
            ? wf.waitFor(program.signal)
            : wf.waitFor(program.signal, { timeout: program.timeoutMs })),
        );
        return;
      case "child":
        return this.#child(program);
      case "tell":
        return this.#tell(program.to);
      case "until":
        this.#note(await wf.until(() => this.#bumps >= program.bumps, { timeout: program.timeoutMs }));
        return;
      case "throw":
        throw new Error("the program gave up");
      case "note":
        wf.note("mark", { length: this.log.length });
        return;
      default:
        this.#note(wf[program.op]());
    }
  }

  async #transaction({ id, rows, maxAttempts }: Extract<Program, { op: "transaction" }>): Promise<void> {
    const write = async (tx: StoreTransaction): Promise<unknown> => {
      for (let row = 1; row <= rows; row++) await tx.query("insert into ledger values (?, ?)", [id, row]);
      return { id, rows };
    };
    const options = maxAttempts === undefined ? undefined : { retry: { maxAttempts } };
    this.#note(await this.#wf.transaction(`book-${id}`, write, options));
  }

  #note(value: unknown): void {
    this.log.push(value);
    this.#last = value;
  }

  #choose(): boolean {
    return typeof this.#last === "number" ? this.#last % 2 === 0 : this.#wf.random() < 0.5;
  }
}

async function interpret(wf: WorkflowContext, program: Program): Promise<unknown> {
  const interpreter = new Interpreter(wf);
  if (program.op === "chain") return interpreter.chain(program);
  await interpreter.run(program);
  return [...interpreter.log];
}

export const ALPHA: AnyWorkflow = workflow("alpha", interpret);
export const BETA: AnyWorkflow = workflow("beta", interpret);
