/** Reads an archive whole: a line for every run, and none torn. */
import { createReadStream, readdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

export async function readArchive(folder: string): Promise<{ lines: number; runs: number }> {
  const seen = new Set<string>();
  let lines = 0;
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".jsonl"));
  for (const file of files) {
    for await (const text of createInterface({ input: createReadStream(join(folder, file)) })) {
      const { runId, status, events } = JSON.parse(text) as { runId: string; status: string; events: unknown[] };
      if (status !== "completed" || events.length < 2) throw new Error(`${file}: a run that did not complete: ${text}`);
      seen.add(runId);
      lines++;
    }
  }
  return { lines, runs: seen.size };
}
