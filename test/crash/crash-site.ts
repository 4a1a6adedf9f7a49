/** A directory with one store, one effect log and the processes that share them. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "../../src/engine/log.ts";
import { open, type Perdure } from "../../src/index.ts";
import { type Audit, audit } from "./audit.ts";
import { type Effect, readEffects } from "./effect-log.ts";
import { EngineProcess, killAll, type ProcessOptions } from "./engine-process.ts";

export class CrashSite {
  readonly #directory = mkdtempSync(join(tmpdir(), "perdure-crash-"));
  readonly store: string = join(this.#directory, "store.db");
  readonly #log = join(this.#directory, "effects.log");
  readonly #clients: Perdure[] = [];
  #spawned = 0;

  /** Starts one more engine process. Its incarnation is `e1`, `e2`, … */
  spawn(options: Partial<ProcessOptions> = {}): EngineProcess {
    const incarnation = `e${++this.#spawned}`;
    return new EngineProcess({ store: this.store, effects: this.#log, incarnation, ...options });
  }

  /** Starts one more engine process and waits until its engine is open. */
  async engine(options: Partial<ProcessOptions> = {}): Promise<EngineProcess> {
    const child = this.spawn(options);
    await child.ready;
    return child;
  }

  /** The store as a caller sees it, from this process: an engine without workflows. */
  async client(): Promise<Perdure> {
    const client = await open({ store: this.store, logger: silentLogger });
    this.#clients.push(client);
    return client;
  }

  effects(): Effect[] {
    return readEffects(this.#log);
  }

  /** Lets everybody leave and checks what they left behind. */
  async audit(): Promise<Audit> {
    for (const client of this.#clients.splice(0)) await client.close();
    const found = audit(this.store, this.effects());
    const left = readdirSync(this.#directory).filter((name) => name.includes("-engine-"));
    if (left.length > 0) found.problems.push(`files left behind: ${left.join(", ")}`);
    return found;
  }

  /** Kills every process and removes the directory. */
  async clear(): Promise<void> {
    await killAll();
    for (const client of this.#clients.splice(0)) await client.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
