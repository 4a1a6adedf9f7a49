/**
 * A process with one engine, as an application would have it: other processes ask it over a socket, `{ id, op, args }` is answered
 * with `{ id, value }` or `{ id, error }`. SIGTERM makes it leave in good order.
 */
import { rmSync } from "node:fs";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { isPerdureError, open } from "perdure";
import { catalogue } from "./catalogue.mjs";
import { openEffects } from "./effects.mjs";
import { openJournal } from "./journal.mjs";
import { operations } from "./operations.mjs";

/** Exit code when the store could not be opened: whoever started it tries again. */
const NOT_OPENED = 3;

const options = JSON.parse(process.argv[2]);
const { store, leaseTtl, socket, log, serves } = options;
const write = openJournal(log);
const say =
  (level) =>
  ({ error, workflowId }, message) =>
    write({ level, workflowId, message, error: error?.stack ?? error });

const { workflows, activities } = catalogue(openEffects(options));
const engine = await open({
  store,
  workflows,
  activities,
  logger: { debug() {}, info: say("info"), warn: say("warn"), error: say("error") },
  leaseTtl,
  ...(serves && { serves }),
}).catch((error) => {
  say("error")({ error }, "opening failed");
  process.exit(isPerdureError(error, "UNAVAILABLE") ? NOT_OPENED : 1);
});

const cart = workflows.find(({ name }) => name === "cart");
const able = operations(engine, cart);

rmSync(socket, { force: true });
const server = createServer((client) => {
  client.on("error", () => {});
  const lines = createInterface({ input: client });
  lines.on("error", () => {});
  lines.on("line", (line) => {
    const { id, op, args } = JSON.parse(line);
    const answer = (said) => client.writable && client.write(`${JSON.stringify({ id, ...said })}\n`);
    able[op](...args).then(
      (value) => answer({ value }),
      (error) => answer({ error: { code: error.code ?? "DEFECT", message: String(error.message) } }),
    );
  });
});
server.listen(socket, () => process.send({ ready: true }));

process.on("SIGTERM", async () => {
  server.close();
  await engine.close();
  process.exit(0);
});
// Nobody is left behind when the parent dies.
process.on("disconnect", () => process.exit(0));
