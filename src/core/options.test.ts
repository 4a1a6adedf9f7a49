import { describe, expect, it } from "vitest";
import { checkCount, checkKind, checkOptions, checkWord, optionNames } from "./options.ts";

interface Wanted {
  readonly dryRun?: boolean;
  readonly reason?: string;
}

const known = optionNames<Required<Wanted>>({ dryRun: true, reason: true });
const check = (given: unknown) => () => checkOptions(given, known, "bulk()");

describe("options", () => {
  it("are those that are known", () => {
    expect(check({ dryRun: true })).not.toThrow();
    expect(check({ reason: undefined })).not.toThrow();
    expect(check({})).not.toThrow();
  });

  it.each([
    [{ dryrun: true }, 'bulk() has no option "dryrun"; did you mean dryRun?'],
    [{ limit: 5 }, 'bulk() has no option "limit"; there are dryRun, reason'],
    ["dryRun", "the options of bulk() are an object with dryRun, reason"],
    [null, "the options of bulk() are an object with dryRun, reason"],
    [[], "the options of bulk() are an object with dryRun, reason"],
  ])("are refused otherwise: %j", (given, message) => {
    expect(check(given)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT", message }));
  });

  it("may be one of some words", () => {
    const conflict = (value: unknown) => () => checkWord(value, ["fail", "attach"], "conflict");
    expect(conflict(undefined)).not.toThrow();
    expect(conflict("attach")).not.toThrow();
    expect(conflict("atach")).toThrow('conflict has no value "atach"; did you mean attach?');
    expect(conflict(5)).toThrow('conflict has no value "5"; there are fail, attach');
  });

  it("may be a count", () => {
    for (const good of [undefined, 1, 100, Number.POSITIVE_INFINITY])
      expect(() => checkCount(good, "limit")).not.toThrow();
    for (const bad of [0, -1, 1.5, Number.NaN, "5", null])
      expect(() => checkCount(bad, "limit")).toThrow("limit must be a whole number from 1 on");
  });

  it("may be of one kind", () => {
    expect(() => checkKind(undefined, "boolean", "dryRun")).not.toThrow();
    expect(() => checkKind("yes", "boolean", "dryRun")).toThrow("dryRun must be a boolean, not string");
    expect(() => checkKind(null, "string", "reason")).toThrow("reason must be a text, not null");
  });
});
