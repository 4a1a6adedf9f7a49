import { describe, expect, it } from "vitest";
import { checkTags, textTags } from "./tags.ts";

const cut = "Ada 😀".slice(0, 5);

describe("tags", () => {
  it("become texts", () => {
    expect(textTags({ customer: 42, urgent: true, name: "Ada 😀", empty: "" })).toEqual({
      customer: "42",
      urgent: "true",
      name: "Ada 😀",
      empty: "",
    });
  });

  it.each([
    ["half a character", { name: cut }],
    ["half a character in a name", { [cut]: 1 }],
    ["a NUL", { name: "x\0y" }],
    ["a line break", { name: "x\ny" }],
    ["no name", { "": 1 }],
    ["too long a text", { name: "x".repeat(1001) }],
    ["too long a name", { ["x".repeat(1001)]: 1 }],
    ["an object", { name: {} as unknown as string }],
    ["undefined", { name: undefined as unknown as string }],
    ["a list", ["x"] as unknown as Record<string, string>],
  ])("refuse %s", (_, tags) => {
    expect(() => textTags(tags)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });

  it("may be taken away by the run", () => {
    expect(() => checkTags({ name: null })).not.toThrow();
  });
});
