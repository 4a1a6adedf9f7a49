import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isPair, readValue } from "./input-values.ts";

describe("inputs as people type them", () => {
  test("pairs become an object, their values JSON where nothing is lost", async () => {
    const value = await readValue("input", [
      "n=1",
      "t=007",
      "big=12345678901234567890",
      "on=true",
      "none=null",
      "text=a b",
      "list=[1,2]",
      "empty=",
    ]);
    expect(value).toEqual({
      n: 1,
      t: "007",
      big: "12345678901234567890",
      on: true,
      none: null,
      text: "a b",
      list: [1, 2],
      empty: "",
    });
  });

  test("dots in keys nest, and what is given later is merged in", async () => {
    expect(await readValue("input", ['{"a": {"b": 1}}', "a.c.d=2", "a.b=3"])).toEqual({ a: { b: 3, c: { d: 2 } } });
  });

  test("any JSON value is itself", async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), async (json) => {
        const text = JSON.stringify(json);
        fc.pre(!isPair(text));
        expect(await readValue("input", [text])).toEqual(JSON.parse(text));
      }),
    );
  });

  test("nothing given is undefined", async () => {
    expect(await readValue("input", [])).toBeUndefined();
  });

  test("what is neither, or cannot be merged, is refused with a hint", async () => {
    await expect(readValue("input", ["plain words"])).rejects.toMatchObject({
      exitCode: 2,
      details: { hint: expect.stringContaining("key=value") },
    });
    await expect(readValue("input", ["1", "a=1"])).rejects.toMatchObject({ exitCode: 2 });
    await expect(readValue("input", ["__proto__.x=1"])).rejects.toMatchObject({ exitCode: 2 });
  });
});
