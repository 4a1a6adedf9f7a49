/**
 * What the determinism guard costs: `node bench/dist/guard-cost.js [rounds] [sqlite|memory] [runs]`. Processes with and without it take
 * turns, so that both see the same weather; medians are printed.
 */
import { fork } from "node:child_process";
import type { GuardCost } from "./guard-cost-process.ts";
import { median } from "./measurement.ts";

const [rounds = "5", store = "sqlite", runs = "5000"] = process.argv.slice(2);
const seen: Record<"off" | "error", GuardCost[]> = { off: [], error: [] };

for (let round = 0; round < Number(rounds); round++) {
  const modes = round % 2 === 0 ? (["off", "error"] as const) : (["error", "off"] as const);
  for (const mode of modes) seen[mode].push(await measure(mode));
}

row("", "off", "error", "");
const steps = (mode: "off" | "error"): number => median(seen[mode].map(({ stepsPerSecond }) => stepsPerSecond));
const share = ((steps("error") / steps("off")) * 100).toFixed(1);
row(`10-step runs, 200 at a time, ${store}`, steps("off").toFixed(0), steps("error").toFixed(0), `steps/s ${share}%`);
for (const name of Object.keys(seen.off[0]?.host ?? {})) {
  const ns = (mode: "off" | "error"): number => median(seen[mode].map(({ host }) => host[name]!));
  row(
    `${name} in the host`,
    ns("off").toFixed(1),
    ns("error").toFixed(1),
    `ns +${(ns("error") - ns("off")).toFixed(1)}`,
  );
}

function measure(mode: "off" | "error"): Promise<GuardCost> {
  const child = fork(new URL("./guard-cost-process.js", import.meta.url), [mode, store, runs]);
  return new Promise((resolve, reject) => {
    child.on("message", (cost) => resolve(cost as GuardCost));
    child.on("error", reject);
    child.on("exit", (code, signal) => reject(new Error(`measuring with guard ${mode} failed (${code ?? signal})`)));
  });
}

function row(what: string, off: string, error: string, note: string): void {
  process.stdout.write(`${what.padEnd(44)}${off.padStart(10)}${error.padStart(10)}  ${note}\n`);
}
