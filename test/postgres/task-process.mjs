/**
 * A process with one engine that hands out activities, runs them for others, or both; see tasks.test.ts. It is told over IPC what to do and
 * tells of every effect, as ../crash/engine-process.mjs does.
 */
import { setTimeout as pass } from "node:timers/promises";
import { activity, open, workflow } from "perdure";
import { openEffectLog } from "../crash/effect-log.mjs";

const { store, effects, incarnation, leaseTtl, engine: role } = JSON.parse(process.argv[2]);
const log = openEffectLog(effects, incarnation);

const work = activity("etl/work", { retry: { maxAttempts: 5, initial: "100ms" } }, ({ ms, name }, ctx) =>
  log.around(ctx, name, async () => {
    ctx.heartbeat({ by: incarnation, after: ctx.lastHeartbeat ?? null });
    await pass(ms, undefined, { signal: ctx.signal });
  }),
);
const one = workflow("one", (wf, input) => wf.call(work, input));
const many = workflow("many", (wf, { count, ms }) =>
  Promise.all(Array.from({ length: count }, (_, at) => wf.call(work, { ms, name: `work-${at}` }))),
);

const say = (level) => (fields, message) => {
  const { error, workflowId } = fields;
  process.send?.({ log: { level, text: `${level} ${workflowId ?? ""} ${message} ${error ?? ""}` } });
};

const engine = await open({
  store,
  logger: { debug: say("debug"), info: say("info"), warn: say("warn"), error: say("error") },
  ...(leaseTtl && { leaseTtl }),
  ...(role.runs && { workflows: [one, many] }),
  ...(role.works && { activities: [work] }),
  ...(role.serves && { serves: role.serves }),
  ...(role.queues && { queues: role.queues }),
});

const operations = {
  start: async (name, input, options) => (await engine.start(name, input, options)).runId,
  result: async (id) => (await engine.handle(id)).result(),
  cancel: async (id) => (await engine.handle(id)).cancel("not needed"),
  describe: async (id) => (await engine.handle(id)).describe(),
  history: async (id) => (await engine.handle(id)).history(),
  leave: async () => {
    await engine.close();
    process.off("disconnect", exit);
    process.disconnect();
  },
};

function exit() {
  process.exit();
}
process.on("disconnect", exit);

process.on("message", ({ id, op, args }) => {
  operations[op](...args).then(
    (value) => process.connected && process.send({ id, value }),
    (error) => process.connected && process.send({ id, error: { code: error.code, message: error.message } }),
  );
});

process.send({ ready: true });
