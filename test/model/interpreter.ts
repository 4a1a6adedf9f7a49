import type { WorkflowContext } from "../../src/workflow/context.ts";
import type { Query, Signal, Update } from "../../src/workflow/signal.ts";
import type { Delayed, Program, RootProgram, Work } from "./program.ts";

/** Work of a run. */
export type Job = Work & { readonly of: string };

/** Ways of the interpreter to what differs between engine and model. */
export interface Vocabulary {
  call(wf: WorkflowContext, job: Job): Promise<unknown>;
  step(wf: WorkflowContext, job: Job): Promise<unknown>;
  saga(wf: WorkflowContext, jobs: readonly Job[], fails: boolean): Promise<unknown>;
  map(wf: WorkflowContext, jobs: readonly Job[], lanes: number, collect: boolean): Promise<unknown>;
  child(wf: WorkflowContext, program: Extract<Program, { op: "child" | "spawn" }>, input: ChildInput): Promise<unknown>;
}

/** What a child is started with. */
export interface ChildInput {
  readonly id: string;
  readonly root: string;
  readonly body: Delayed;
}

/** What one run of the root hands to the next. */
export interface RootInput {
  readonly program: RootProgram;
  readonly at: number;
  readonly pokes: readonly number[];
  readonly bumps: number;
  readonly results: readonly unknown[];
}

export const POKE: Signal<number> = { kind: "signal", name: "poke" };
export const BUMP: Update<number, number> = { kind: "update", name: "bump" };
export const STATE: Query<unknown> = { kind: "query", name: "state" };
export const RETRY_MS = 700;
/** Ids of the work of update handlers begin here. */
const HANDLER_IDS = 10_000;

/** An error in a word or two, the same wherever it was thrown. */
export function errorWord(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === "CancelledError") return "cancelled";
  const { code } = error as { code?: unknown };
  return typeof code === "string" && code !== "" ? code : error.message;
}

export class Interpreter {
  readonly #wf: WorkflowContext;
  readonly #words: Vocabulary;
  readonly #root: string;
  readonly #pokes: number[];

  constructor(wf: WorkflowContext, words: Vocabulary, root: string, pokes: number[]) {
    this.#wf = wf;
    this.#words = words;
    this.#root = root;
    this.#pokes = pokes;
  }

  async delayed({ delayMs, body }: Delayed): Promise<unknown> {
    await this.#wf.sleep(delayMs);
    return this.run(body);
  }

  async run(program: Program): Promise<unknown> {
    const wf = this.#wf;
    switch (program.op) {
      case "seq": {
        const results: unknown[] = [];
        for (const part of program.parts) results.push(await this.run(part));
        return results;
      }
      case "all":
        return Promise.all(program.parts.map((part) => this.delayed(part)));
      case "race":
        return Promise.race(program.parts.map((part) => this.delayed(part)));
      case "settled":
        return (await Promise.allSettled(program.parts.map((part) => this.delayed(part)))).map((one) =>
          one.status === "fulfilled" ? one.value : { rejected: errorWord(one.reason) },
        );
      case "try":
        return this.run(program.body).catch((error: unknown) => ({ caught: errorWord(error) }));
      case "scope": {
        const { timeoutMs, body } = program;
        return wf.scope(() => this.run(body), timeoutMs === undefined ? {} : { timeout: timeoutMs });
      }
      case "uncancellable":
        return wf.uncancellable(() => this.run(program.body));
      default:
        return this.#leaf(program);
    }
  }

  async #leaf(program: Exclude<Program, { parts: unknown } | { op: "scope" | "try" | "uncancellable" }>) {
    const wf = this.#wf;
    switch (program.op) {
      case "call":
      case "step":
        return this.#words[program.op](wf, this.#job(program.work));
      case "sleep":
        await wf.sleep(program.ms);
        return "slept";
      case "wait": {
        const { signal, timeoutMs } = program;
        return timeoutMs === undefined
          ? wf.waitFor(signal)
          : ((await wf.waitFor(signal, { timeout: timeoutMs })) ?? "late");
      }
      case "until": {
        const enough = (): boolean => this.#pokes.length >= program.pokes;
        const { timeoutMs } = program;
        return timeoutMs === undefined ? wf.until(enough) : wf.until(enough, { timeout: timeoutMs });
      }
      case "saga":
        return this.#words.saga(
          wf,
          program.works.map((work) => this.#job(work)),
          program.fails,
        );
      case "map": {
        const { works, lanes, collect } = program;
        return this.#words.map(
          wf,
          works.map((work) => this.#job(work)),
          lanes,
          collect,
        );
      }
      case "child":
      case "spawn": {
        const id = `${wf.info.workflowId}/${program.id}`;
        return this.#words.child(wf, program, { id, root: this.#root, body: program.body });
      }
      case "tag":
        wf.tag({ [program.key]: program.id });
        return "tagged";
      case "tell":
        await wf.sleep(program.delayMs);
        await wf.handle(this.#root).signal(POKE, -program.id);
        return "told";
      case "throw":
        throw new Error(`thrown ${program.id}`);
    }
  }

  #job(work: Work): Job {
    return { ...work, of: this.#wf.info.workflowId };
  }
}

/** A child of any depth. */
export async function interpretChild(
  wf: WorkflowContext,
  words: Vocabulary,
  { root, body }: ChildInput,
): Promise<unknown> {
  return new Interpreter(wf, words, root, []).delayed(body);
}

function handlerJob(n: number, of: string): Job {
  return { id: HANDLER_IDS + n, ms: 5 + 13 * n, fails: n % 3 === 0 ? 1 : 0, attempts: 20, of };
}

/** The run that scripts talk to. */
export async function interpretRoot(wf: WorkflowContext, words: Vocabulary, input: RootInput): Promise<unknown> {
  const { program, at } = input;
  const pokes = [...input.pokes];
  let { bumps } = input;
  wf.on(POKE, (n) => {
    pokes.push(n);
  });
  wf.on(
    BUMP,
    async (n) => {
      await words.call(wf, handlerJob(n, wf.info.workflowId));
      bumps++;
      return n * 2;
    },
    {
      validate: (n) => {
        if (n < 0) throw new RangeError("negative");
      },
    },
  );
  wf.on(STATE, () => ({ at, pokes: [...pokes], bumps }));
  const interpreter = new Interpreter(wf, words, wf.info.workflowId, pokes);
  const body = program.generations[at]!;
  const result = await interpreter.run(program.patient ? { op: "try", body } : body);
  const results = [...input.results, result];
  const last = at + 1 === program.generations.length;
  if (last && program.patient) await wf.waitFor("end");
  await wf.handlersFinished();
  return last ? { results, pokes, bumps } : wf.continueAsNew({ program, at: at + 1, pokes, bumps, results });
}
