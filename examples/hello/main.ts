/**
 * The smallest durable program: a greeting that waits until somebody has approved it.
 *
 *     node --import jiti/register examples/hello/main.ts
 *
 * Stop it at any time and start it again.
 */
import { activity, open, signal, workflow } from "perdure";

const fetchName = activity("fetch-name", async (id: string) => `user ${id}`);
const approved = signal<{ by: string }>("approved");

const welcome = workflow("welcome", async (wf, id: string) => {
  const name = await wf.call(fetchName, id);
  const approval = await wf.waitFor(approved, { timeout: "48h" });
  return approval === undefined ? `Nobody approved ${name}` : `Welcome, ${name}! (${approval.by})`;
});

await using engine = await open({ store: process.argv[2] ?? "sqlite:.perdure/store.db", workflows: [welcome] });
const handle = await engine.start(welcome, "42", { id: "welcome-42", conflict: "attach" });
await handle.signal(approved, { by: "ada" });
console.log(await handle.result());
