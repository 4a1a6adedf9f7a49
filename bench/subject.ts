/** What can be measured: something that runs workflows of no-op steps durably. */
import { type AnyWorkflow, open, type Perdure } from "perdure";
import { BareDesign } from "./bare/bare-design.ts";
import { PostgresCommitter } from "./bare/postgres-committer.ts";
import { SqliteCommitter } from "./bare/sqlite-committer.ts";
import type { Setting } from "./setting.ts";
import { StorePlace } from "./store-place.ts";
import { fanOut, nap, sequence } from "./workflows.ts";

/** The engine or the bare design, on a fresh store. */
export interface Subject extends AsyncDisposable {
  /** One run of steps one after the other, start to result. */
  runSequence(steps: number): Promise<void>;
  /** One run of steps all at once, start to result. */
  runFanOut(steps: number): Promise<void>;
}

/** Opens the subject of a setting. */
export async function openSubject(setting: Setting): Promise<Subject> {
  return setting.subject === "bare" ? openBare(setting) : EngineSubject.open(setting);
}

/** An engine on a fresh store. */
export class EngineSubject implements Subject {
  readonly engine: Perdure;
  readonly #place: StorePlace;

  static async open({ store, server, durability }: Setting, more: readonly AnyWorkflow[] = []): Promise<EngineSubject> {
    const place = await StorePlace.make(store, server);
    const engine = await open({ store: place.address, durability, workflows: [sequence, fanOut, nap, ...more] });
    return new EngineSubject(engine, place);
  }

  private constructor(engine: Perdure, place: StorePlace) {
    this.engine = engine;
    this.#place = place;
  }

  async runSequence(steps: number): Promise<void> {
    await (await this.engine.start(sequence, steps)).result();
  }

  async runFanOut(steps: number): Promise<void> {
    await (await this.engine.start(fanOut, steps)).result();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.engine.close();
    await this.#place[Symbol.asyncDispose]();
  }
}

async function openBare({ store, server, durability }: Setting): Promise<Subject> {
  if (store === "memory") throw new Error("the bare design needs a store on disk");
  const place = await StorePlace.make(store, server);
  const design =
    store === "sqlite"
      ? new BareDesign(new SqliteCommitter(place.path, durability))
      : new BareDesign(await PostgresCommitter.open(place.address, durability));
  return {
    runSequence: (steps) => design.runSequence(steps),
    runFanOut: (steps) => design.runFanOut(steps),
    async [Symbol.asyncDispose]() {
      await design.close();
      await place[Symbol.asyncDispose]();
    },
  };
}
