/** The rules of the house that a machine can keep. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";

const ROOT = join(import.meta.dirname, "..");

/** Which layers a layer may import from, besides itself. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  core: [],
  workflow: ["core"],
  store: ["core"],
  flow: ["core", "workflow"],
  engine: ["core", "workflow", "store"],
  client: ["core", "workflow", "store", "engine"],
  testing: ["core", "workflow", "store", "flow", "engine", "client"],
  cli: ["core", "workflow", "store", "flow", "engine", "client"],
};

function sources(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => /\.(ts|mjs)$/.test(name) && !name.includes("node_modules") && !name.startsWith("dist"))
    .map((name) => join(folder, name))
    .sort();
}

function imports(file: string): string[] {
  const text = readFileSync(join(ROOT, file), "utf8");
  return [...text.matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)].map((match) =>
    normalize(join(dirname(file), match[1]!)),
  );
}

const layerOf = (file: string): string => relative("src", file).split("/")[0]!;

describe("the source tree", () => {
  const files = sources("src");

  it("imports in one direction only", () => {
    const wrong: string[] = [];
    for (const file of files) {
      const layer = layerOf(file);
      if (layer.endsWith(".ts") || file.endsWith(".test.ts")) continue;
      for (const target of imports(file)) {
        const other = layerOf(target);
        if (other === layer || MAY_IMPORT[layer]?.includes(other)) continue;
        wrong.push(`${file} imports ${target}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it("has no file past 500 lines of code", () => {
    const code = (file: string): number =>
      readFileSync(join(ROOT, file), "utf8")
        .split("\n")
        .filter((line) => !/^\s*($|\/\/|\/?\*)/.test(line)).length;
    expect(files.filter((file) => code(file) > 500)).toEqual([]);
  });

  it("says in every file what it is for", () => {
    const silent = files.filter(
      (file) => !/\.test\.ts$/.test(file) && !readFileSync(join(ROOT, file), "utf8").includes("/**"),
    );
    expect(silent).toEqual([]);
  });

  it("leaves nothing open, focused or skipped", () => {
    const open = [...files, ...sources("test"), ...sources("bench"), ...sources("examples")].filter((file) => {
      if (file.endsWith("tidy.test.ts")) return false;
      return /(\/\/|\*)\s*(TODO|FIXME|XXX)\b|\b(it|test|describe)\.(only|skip|todo)\b/.test(
        readFileSync(join(ROOT, file), "utf8"),
      );
    });
    expect(open).toEqual([]);
  });
});

describe("the README", () => {
  it("has at most 120 lines", () => {
    expect(readFileSync(join(ROOT, "README.md"), "utf8").split("\n").length).toBeLessThanOrEqual(121);
  });
});

interface Mutation {
  readonly name: string;
  readonly edits: readonly (readonly [file: string, from: string, to: string])[];
}

describe("the list of mutations", () => {
  it("names texts that are there, once", async () => {
    const list = pathToFileURL(join(ROOT, "scripts/mutation-list.js")).href;
    const { MUTATIONS } = (await import(list)) as { MUTATIONS: readonly Mutation[] };
    const stale = MUTATIONS.flatMap(({ name, edits }) =>
      edits.flatMap(([file, from]) =>
        readFileSync(join(ROOT, file), "utf8").split(from).length === 2 ? [] : [`${name}: ${file}`],
      ),
    );
    expect(stale).toEqual([]);
  });
});
