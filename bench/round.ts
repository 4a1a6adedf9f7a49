import { fork } from "node:child_process";
import type { Measurement } from "./measurement.ts";
import type { Setting } from "./setting.ts";

/** One round of a workload, measured in a fresh process. */
export function measureRound(setting: Setting): Promise<Measurement[]> {
  const child = fork(new URL("./measuring-process.js", import.meta.url), [JSON.stringify(setting)], {
    execArgv: ["--expose-gc"],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  return new Promise((resolve, reject) => {
    let measurements: Measurement[] | undefined;
    child.on("message", (message) => {
      measurements = message as Measurement[];
    });
    child.on("error", reject);
    child.on("exit", (code, signal) => {
      if (measurements !== undefined) resolve(measurements);
      else reject(new Error(`measuring ${setting.workload} on ${setting.subject} failed (${code ?? signal})`));
    });
  });
}
