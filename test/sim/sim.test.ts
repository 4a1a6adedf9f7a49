import { describe, expect, it } from "vitest";
import { type SimResult, simulate } from "./simulation.ts";

const CHUNKS = 10;
const SEEDS_PER_CHUNK = 100;

function complaint({ seed, violations }: SimResult): string {
  const found = violations.map(({ check, message, at }) => `at ${at}: [${check}] ${message}`);
  return `npm run sim -- --seed ${seed}\n${found.join("\n")}`;
}

describe("a simulated fleet", () => {
  it.each(["sqlite", "postgres"] as const)(
    "does the same things in the same order for the same seed (%s)",
    async (database) => {
      for (const seed of [1, 2, 3]) {
        const [first, second] = [
          await simulate({ seed, database, record: true }),
          await simulate({ seed, database, record: true }),
        ];
        expect(second.lines).toEqual(first.lines);
        expect(second.traceHash).toBe(first.traceHash);
        expect(first.lines.length).toBeGreaterThan(100);
      }
    },
  );

  it("does the same things with transactions of users, old runs and archives", async () => {
    for (const seed of [76, 91, 123]) {
      const [first, second] = [await simulate({ seed }), await simulate({ seed })];
      expect(second.traceHash).toBe(first.traceHash);
      expect(first.asked + first.deleted).toBeGreaterThan(0);
    }
  });

  it("does the same things whether or not the trace is kept", async () => {
    const [kept, bare] = [await simulate({ seed: 4, record: true }), await simulate({ seed: 4 })];
    expect(bare.traceHash).toBe(kept.traceHash);
  });

  // Two of three are fleets on PostgreSQL.
  it.each(Array.from({ length: CHUNKS }, (_, chunk) => chunk * SEEDS_PER_CHUNK + 1))(
    "keeps every invariant through faults, from seed %i on",
    { timeout: 180_000 },
    async (from) => {
      for (let seed = from; seed < from + SEEDS_PER_CHUNK; seed++) {
        const result = await simulate({ seed });
        if (result.violations.length > 0) expect.fail(complaint(result));
      }
    },
  );
});
