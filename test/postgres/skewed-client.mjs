/** A client without an engine, `node skewed-client.mjs STORE`, told over IPC what to do: `{ operation, id }` is answered with `{ value }`. */
import { connect } from "perdure";

const connection = await connect({ store: process.argv[2] });

const operations = {
  time: () => ({ wall: Date.now(), store: connection.now() }),
  signal: async (id) => (await connection.handle(id)).signal("nobody-sends", "in time"),
  /** Runs that were started within the last so many milliseconds. */
  since: async (ms) => {
    const runs = await connection.runs.list({ since: connection.now() - ms });
    return runs.map(({ workflowId }) => workflowId);
  },
};

process.on("message", async ({ operation, id }) => process.send({ value: await operations[operation](id) }));
process.on("disconnect", () => process.exit());
process.send({ value: "ready" });
