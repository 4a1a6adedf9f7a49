/** Starts an engine on an opened store. Most of the program hangs on this file: `open` loads it while the store is being opened. */
import { randomUUID } from "node:crypto";
import { Engine } from "../engine/engine.ts";
import type { EngineConfig } from "../engine/engine-config.ts";
import { Retention } from "../engine/retention.ts";
import type { RetentionRules } from "../engine/retention-rules.ts";
import { deploySchedules } from "./flow-schedules.ts";
import type { OpenOptions } from "./open-options.ts";
import { Perdure, type PerdureParts } from "./perdure.ts";

/** What an engine is started with. */
export interface Launched extends Pick<PerdureParts, "sealer" | "ownsStore"> {
  readonly config: EngineConfig;
  readonly rules: RetentionRules;
}

/** See `open`. Closes a store of its own when it fails. */
export async function launch(options: OpenOptions, { config, rules, sealer, ownsStore }: Launched): Promise<Perdure> {
  const { store, registry, log } = config;
  const engine = await opened(config).catch(async (error: unknown) => {
    if (ownsStore) await store.close();
    throw error;
  });
  const { clock } = engine;
  const retention = new Retention({ store, clock, log, holder: randomUUID(), archive: options.archive }, rules);
  const perdure = new Perdure({ engine, store, ownsStore, clock, registry, sealer, retention });
  // A program that exists for one run leaves schedules and other runs to others.
  if (options.claims === "own") return perdure;
  retention.start();
  try {
    await deploySchedules(perdure.schedules, options.workflows ?? [], { log, now: clock.now() });
    return perdure;
  } catch (error) {
    await perdure.close();
    throw error;
  }
}

async function opened(config: EngineConfig): Promise<Engine> {
  const engine = new Engine(config);
  await engine.open();
  return engine;
}
