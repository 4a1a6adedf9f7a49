import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { FLOW_SCHEMA, type JsonSchema } from "../../src/flow/index.ts";

const FILE = new URL("../../schema/flow.schema.json", import.meta.url);

// UPDATE_SCHEMA=1 npx vitest run test/flow/schema.test.ts && npx biome format --write schema
if (process.env.UPDATE_SCHEMA !== undefined) writeFileSync(FILE, `${JSON.stringify(FLOW_SCHEMA, null, 2)}\n`);

function properties(schema: JsonSchema, path: string): [string, JsonSchema][] {
  const own = Object.entries(schema.properties ?? {}).map(([key, value]): [string, JsonSchema] => [
    `${path}.${key}`,
    value,
  ]);
  const defs = Object.entries(schema.$defs ?? {}).flatMap(([name, value]) => properties(value, name));
  return [...own, ...defs];
}

describe("the published schema", () => {
  it("is the one that files are checked against", () => {
    expect(JSON.parse(readFileSync(FILE, "utf8"))).toEqual(JSON.parse(JSON.stringify(FLOW_SCHEMA)));
  });

  it("describes every word", () => {
    const silent = properties(FLOW_SCHEMA, "flow").filter(
      ([, schema]) =>
        schema.description === undefined &&
        FLOW_SCHEMA.$defs?.[schema.$ref?.slice("#/$defs/".length) ?? ""]?.description === undefined,
    );
    expect(silent.map(([path]) => path)).toEqual([]);
  });

  it("refers to definitions that exist", () => {
    const names = [...JSON.stringify(FLOW_SCHEMA).matchAll(/"\$ref":"#\/\$defs\/(\w+)"/g)].map((match) => match[1]);
    expect(names.filter((name) => FLOW_SCHEMA.$defs?.[name!] === undefined)).toEqual([]);
  });
});
