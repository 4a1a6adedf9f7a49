/**
 * A process with one engine that hands out activities, runs them for others, or both; see tasks.test.ts. It is told what to do and tells of
 * every effect as ../crash/engine-process.mjs does.
 */
import { setTimeout as pass } from "node:timers/promises";
import { activity, open, workflow } from "perdure";
import { logger, obey } from "../crash/child-end.mjs";
import { openEffectLog } from "../crash/effect-log.mjs";

const { store, effects, incarnation, leaseTtl, engine: role } = JSON.parse(process.argv[2]);
const log = openEffectLog(effects, incarnation);
/** Longer than any test. */
const ENDLESS_MS = 600_000;

const work = activity("etl/work", { retry: { maxAttempts: 5, initial: "100ms" } }, ({ ms = 0, name, endlessIn }, ctx) =>
  log.around(ctx, name, async () => {
    ctx.heartbeat({ by: incarnation, after: ctx.lastHeartbeat ?? null });
    await pass(endlessIn === incarnation ? ENDLESS_MS : ms, undefined, { signal: ctx.signal });
  }),
);
const one = workflow("one", (wf, input) => wf.call(work, input));
const many = workflow("many", (wf, { count, ms }) =>
  Promise.all(Array.from({ length: count }, (_, at) => wf.call(work, { ms, name: `work-${at}` }))),
);

const engine = await open({
  store,
  logger,
  ...(leaseTtl && { leaseTtl }),
  ...(role.runs && { workflows: [one, many] }),
  ...(role.works && { activities: [work] }),
  ...(role.serves && { serves: role.serves }),
  ...(role.queues && { queues: role.queues }),
});

obey(engine, {
  start: async (name, input, options) => (await engine.start(name, input, options)).runId,
  result: async (id) => (await engine.handle(id)).result(),
  cancel: async (id) => (await engine.handle(id)).cancel("not needed"),
  describe: async (id) => (await engine.handle(id)).describe(),
  history: async (id) => (await engine.handle(id)).history(),
});
