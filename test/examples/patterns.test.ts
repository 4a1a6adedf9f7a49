/** The examples as people run them: as programs that are killed in the middle and started again. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";

const ROOT = join(import.meta.dirname, "../..");
const folder = mkdtempSync(join(tmpdir(), "perdure-examples-"));

afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Ending {
  readonly output: string;
  readonly errors: string;
  readonly code: number | null;
  readonly signal: string | null;
}

/** Runs an example; with `killAt` it is killed as soon as that is printed. */
function run(name: string, args: readonly string[], killAt?: string): Promise<Ending> {
  return new Promise((resolve, reject) => {
    const main = join("examples", name, "main.ts");
    const child = spawn(process.execPath, ["--import", "jiti/register", main, ...args], { cwd: ROOT });
    let output = "";
    let errors = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      if (killAt !== undefined && output.includes(killAt)) child.kill("SIGKILL");
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      errors += text;
    });
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ output, errors, code, signal }));
  });
}

/** What an example says at its end. */
function resultOf({ output, errors, code }: Ending): string {
  expect({ code, errors }).toMatchObject({ code: 0 });
  expect(output).toContain("result:");
  return output.slice(output.indexOf("result:")).trim();
}

interface Example {
  readonly name: string;
  /** Killed as soon as it prints this. */
  readonly killAt: string;
  /** Printed by a step that has ended by then: it is not repeated. */
  readonly once?: string;
  readonly result: string;
  readonly args?: readonly string[];
}

const EXAMPLES: readonly Example[] = [
  {
    name: "payment-saga",
    killAt: "release room",
    once: "charge Ada",
    result: "no seats left\n  undoing fly: completed",
  },
  { name: "shopping-cart", killAt: "charging 15", result: "paid 15 EUR\n  3 × tea\n  1 × scone" },
  { name: "bank-account", killAt: "carl: 1000", once: "ada: -3000", result: "ada has 7500 and ben 12500" },
  { name: "inventory", killAt: "order-5 pays", once: "order-1 pays", result: "{ left: 12, sold: 8, held: 0 }" },
  { name: "fan-out", killAt: "child 30 has", args: ["300", "60"], result: "300 children of 60 steps found 21063000" },
  { name: "human-approval", killAt: "to dora", once: "to mo", result: "order 4711, approved by dora" },
  { name: "webhook-callback", killAt: "asking the provider", result: "parcel 12" },
  {
    name: "versioning",
    killAt: "letter-2 is corrected",
    once: "packed by hand",
    result: "\n  order-1 is brought by bicycle",
  },
];

describe("an example", () => {
  it.each(EXAMPLES)(
    "$name says the same when it is killed and started again",
    { timeout: 120_000 },
    async (example) => {
      const { name, args = [], killAt, once, result } = example;
      const store = (run: string): string => `sqlite:${join(folder, `${name}-${run}.db`)}`;
      const [undisturbed, killed] = await Promise.all([
        run(name, [store("calm"), ...args]),
        run(name, [store("killed"), ...args], killAt),
      ]);
      const calm = resultOf(undisturbed);
      expect(calm.replace(/^result: ?/, "")).toContain(result);
      expect(killed).toMatchObject({ signal: "SIGKILL" });
      const again = await run(name, [store("killed"), ...args]);
      expect(resultOf(again)).toBe(calm);
      if (once !== undefined)
        expect([killed.output.includes(once), again.output.includes(once)]).toEqual([true, false]);
    },
  );
});
