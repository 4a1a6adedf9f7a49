/** A process with one engine, told by engine-process.ts what to do. It tells its parent of every effect and every warning. */
import { writeSync } from "node:fs";
import { open } from "perdure";
import { catalogue } from "./catalogue.mjs";
import { logger, obey } from "./child-end.mjs";
import { openEffectLog } from "./effect-log.mjs";

const { store, effects, incarnation, poison, leaseTtl, poll } = JSON.parse(process.argv[2]);

const engine = await open({
  store,
  workflows: catalogue(openEffectLog(effects, incarnation), poison),
  logger,
  ...(leaseTtl && { leaseTtl }),
  ...(poll && { poll }),
});

const operations = {
  start: async (workflow, input, options) => (await engine.start(workflow, input, options)).runId,
  signal: async (id, name, payload) => (await engine.handle(id)).signal(name, payload),
  result: async (id) => (await engine.handle(id)).result(),
  resume: async (id) => (await engine.handle(id)).resume(),
  /** Sends updates one after another, each again under its id until it is answered. */
  update: async (id, name, payload, updateId) => (await engine.handle(id)).update(name, payload, { id: updateId }),
  /** Start or signal, say so on standard output, and die before anything else can happen. */
  startAndDie: async (workflow, input, options) => {
    writeSync(1, await operations.start(workflow, input, options));
    process.kill(process.pid, "SIGKILL");
  },
  signalAndDie: async (id, name, payload) => {
    await operations.signal(id, name, payload);
    writeSync(1, "sent");
    process.kill(process.pid, "SIGKILL");
  },
  /** Sends numbered signals and starts runs, as many at a time as given, and answers with what was started. */
  flood: async ({ to, sender, signals, starts, atOnce }) => {
    const target = await engine.handle(to);
    const send = async () => {
      for (let n = 1; n <= signals; n++) await target.signal("item", `${sender}:${n}`);
    };
    let next = 0;
    const begin = async () => {
      for (let n = ++next; n <= starts; n = ++next) {
        await engine.start("chain", { steps: 2, ms: 0 }, { id: `${sender}-${n}` });
      }
    };
    await Promise.all([send(), ...Array.from({ length: atOnce }, begin)]);
    return next;
  },
};

obey(engine, operations);
