/** Calls of clients: through whatever engine is there; one that gets no answer is given up, and nobody knows what became of it. */
import type { HandleHost } from "../../src/client/handle-host.ts";
import { RunHandle } from "../../src/client/run-handle.ts";
import { isPerdureError, PerdureError } from "../../src/core/errors.ts";
import type { EngineProcess } from "./engine-process.ts";
import type { Rng } from "./prng.ts";
import type { World } from "./world.ts";

/** What a client sees of the fleet. */
export interface ClientHost {
  readonly world: World;
  /** A process that takes calls for a workflow now, if there is any. */
  engine(workflow: string, rng: Rng): EngineProcess | undefined;
  /** Faults have ended and scripts are over. */
  readonly finishing: boolean;
  /** Whether retention has deleted a run. */
  isPurged(run: number): boolean;
  /** Whether it has deleted a run that went on from this one. */
  isEndPurged(workflowId: string, run: number): boolean;
}

export type Answer<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown };

/** What a call through an engine that closes meanwhile comes to. */
export const closed = (): Promise<never> => Promise.reject(new PerdureError("UNAVAILABLE", "the engine is closing"));

const PATIENCE_MS = 8000;

export class Calls {
  readonly #name: string;
  readonly #host: ClientHost;
  readonly #rng: Rng;

  constructor(name: string, host: ClientHost, rng: Rng) {
    this.#name = name;
    this.#host = host;
    this.#rng = rng;
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.#host.world.after(ms, undefined, resolve));
  }

  /** Calls through an engine that knows the workflow. `undefined`: nobody knows what became of this call. */
  async call<T>(
    workflow: string,
    what: string,
    call: (process: EngineProcess) => Promise<T>,
  ): Promise<Answer<T> | undefined> {
    const { world } = this.#host;
    const process = this.#host.engine(workflow, this.#rng);
    if (process === undefined) {
      await this.sleep(500);
      return undefined;
    }
    const answer = await new Promise<Answer<T> | undefined>((resolve) => {
      world.after(PATIENCE_MS, undefined, () => resolve(undefined));
      world.after(0, process, () =>
        call(process).then(
          (value) => world.after(0, undefined, () => resolve({ ok: true, value })),
          (error: unknown) => world.after(0, undefined, () => resolve({ ok: false, error })),
        ),
      );
    });
    const said = answer === undefined ? "no answer" : answer.ok ? "done" : String(answer.error);
    world.trace(`client ${this.#name} ${what} through ${process.name}: ${said}`);
    if (answer !== undefined && !answer.ok && !isPerdureError(answer.error)) throw answer.error;
    if (answer === undefined || (!answer.ok && isPerdureError(answer.error, "UNAVAILABLE"))) {
      await this.sleep(this.#rng.int(50, 1500));
      return undefined;
    }
    return answer;
  }
}

/** Waits for what a client does; that it fails is a defect. */
export function follow(world: World, name: string, doing: Promise<unknown>, done: () => void): void {
  doing.then(done, (error: unknown) =>
    world.violate("client", `${name}: ${error instanceof Error ? error.stack : String(error)}`),
  );
}

/** A handle as an engine's process makes it. */
export function handleOf({ handleHost }: EngineProcess, workflowId: string, run: number): RunHandle {
  return new RunHandle(handleHost satisfies HandleHost, workflowId, run);
}
