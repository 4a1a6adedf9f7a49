import { describe, expect, it } from "vitest";
import { closest, editDistance } from "./suggestion.ts";

describe("suggestions", () => {
  it("count insertions, deletions, substitutions and swaps", () => {
    expect(editDistance("abc", "abc")).toBe(0);
    expect(editDistance("depnds", "depends")).toBe(1);
    expect(editDistance("ab", "ba")).toBe(1);
    expect(editDistance("kitten", "sitting")).toBe(3);
  });

  it("find the word that was meant, whatever its case and hyphens", () => {
    const words = ["depends_on", "description", "when", "max_parallel"];
    expect(closest("dependsOn", words)).toBe("depends_on");
    expect(closest("max-paralel", words)).toBe("max_parallel");
    expect(closest("banana", words)).toBeUndefined();
    expect(closest("e", ["a", "b"])).toBeUndefined();
  });
});
