/** A process with one engine that books in a table beside the store: `node booking-process.mjs STORE`. It lives until it is killed. */
import { setTimeout as pass } from "node:timers/promises";
import { open, workflow } from "perdure";

const retry = { maxAttempts: 1000, initial: "20ms", backoff: "constant" };

const bookings = workflow("bookings", async (wf, count) => {
  let last = 0;
  for (let n = 1; n <= count; n++) {
    last = await wf.transaction(
      `book-${n}`,
      async (tx) => {
        const { workflowId } = wf.info;
        await tx.query("insert into bookings (workflow_id, n) values ($1, $2)", [workflowId, n]);
        await pass(10);
        const [row] = await tx.query("select count(*) as booked from bookings where workflow_id = $1", [workflowId]);
        return row.booked;
      },
      { retry },
    );
  }
  return last;
});

await open({ store: process.argv[2], workflows: [bookings], leaseTtl: "1s" });
process.send("ready");
process.on("disconnect", () => process.exit());
