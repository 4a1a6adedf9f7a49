/** ARCHITECTURE.md says which test shows the scenario of each rule of commits, leases and messages. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { code, ROOT, readPage, tableUnder } from "./page.ts";

const rows = tableUnder(readPage("ARCHITECTURE.md"), "Scenarios of rules 12 to 28");

describe("each scenario of a rule is a test", () => {
  it("of every rule from 12 to 28", () => {
    const rules = new Set(rows.map(([rule]) => Number(rule)));
    expect([...rules]).toEqual(Array.from({ length: 17 }, (_, index) => 12 + index));
  });

  it.each(rows)("rule %s: %s %s", (_, __, name = "", file = "") => {
    expect(readFileSync(join(ROOT, "test", code(file)), "utf8")).toContain(name);
  });
});
