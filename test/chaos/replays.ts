/** Every history against the code that made it (I3), in a process that has that code. */
import { spawn } from "node:child_process";
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Findings, type Violation } from "./violation.ts";

const SCRIPT = fileURLToPath(new URL("./replay-process.mjs", import.meta.url));

export async function replayAll(
  store: string,
  folder: string,
): Promise<{ readonly replayed: number; readonly violations: readonly Violation[] }> {
  const found = new Findings();
  const child = spawn(process.execPath, [SCRIPT, store], { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  let complained = "";
  child.stdout.on("data", (text) => {
    said += text;
  });
  child.stderr.on("data", (text) => {
    complained += text;
  });
  const code = await new Promise((resolve) => child.once("close", resolve));
  appendFileSync(join(folder, "replay.log"), said + complained);
  let replayed = 0;
  for (const line of said.split("\n").filter((one) => one !== "")) {
    const { different, ...rest } = JSON.parse(line);
    if (different === undefined) replayed = rest.replayed;
    else
      found.add("I3", different.workflowId, `its code does not agree with its history: ${different.result}`, [
        different,
      ]);
  }
  if (code !== 0) found.add("I3", undefined, `replaying ended with ${code}`, [complained.slice(-2000)]);
  return { replayed, violations: found.all };
}
