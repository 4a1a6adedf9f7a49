import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts", "examples/**/*.test.ts"],
    testTimeout: 30_000,
    pool: "forks",
    // Many tests wait for processes rather than for a core: two at a time are worth it on the smallest machine.
    maxWorkers: Math.max(2, availableParallelism() - 1),
  },
});
