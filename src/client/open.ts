/** `open`: an engine in this process. */
import { retentionRules } from "../engine/retention-rules.ts";
import { DEFAULT_STORE, openStore } from "../store/open.ts";
import { createSealer } from "../store/sealing.ts";
import { scheduleWorkflow } from "../workflow/schedule.ts";
import { checkOpen, engineSettings, type OpenOptions, registryOf } from "./open-options.ts";
import type { Perdure } from "./perdure.ts";

/**
 * Opens the store and starts an engine on it.
 *
 * @throws PerdureError `INVALID_ARGUMENT` for bad options, `UNAVAILABLE` or `INCOMPATIBLE_STORE` for a store that cannot be used.
 *
 * @example
 * await using engine = await open({ store: "sqlite:app.db", workflows: [welcome] });
 * const handle = await engine.start(welcome, "42", { id: "welcome-42" });
 * console.log(await handle.result());
 */
export async function open(options: OpenOptions = {}): Promise<Perdure> {
  checkOpen(options);
  const target = options.store ?? process.env.PERDURE_STORE ?? DEFAULT_STORE;
  const ownsStore = typeof target === "string";
  const sealer = createSealer(target);
  const settings = engineSettings(options, { registry: registryOf(options), sealer });
  const rules = retentionRules([scheduleWorkflow(""), ...(options.workflows ?? [])], options.retention);
  const { durability = "full", migrate = true } = options;
  const opening = ownsStore ? openStore(target, { durability, migrate }) : Promise.resolve(target);
  // The store's thread starts meanwhile.
  const [store, { launch }] = await Promise.all([opening, import("./launch.ts")]);
  return launch(options, { config: { ...settings, store }, rules, sealer, ownsStore });
}
