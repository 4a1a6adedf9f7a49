/**
 * Every fenced block of README.md and docs/ is executed or checked, by page and in order. What the words after the language mean:
 *
 *     ts              a program: its types are checked, and it is run in the folder of the page, which keeps its files
 *     ts check        types only, after the page's hidden comments `<!-- given … -->`
 *     ts postgres     a program with a database of its own: `DATABASE_URL` is its address
 *     ts file=NAME    types are checked, and it is written to the folder of the page for later blocks
 *     yaml            a flow: read and validated, and written when it has file=NAME
 *     yaml wrong      a flow that has problems; `yaml agents` is a file of agents; `yaml part` is a part of a step
 *     sql             run against app.db (or store=NAME) in the folder of the page
 *     sh run          each line is run there with the built command line; a trailing `# exit 1` expects that exit code
 *     any language with file=NAME is written; all else is for people only
 *
 * A trailing `// => text` behind console.log, and `# => text` behind a command, is what must be printed.
 */
import { execFile } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { inspect, promisify } from "node:util";
import { createJiti } from "jiti";
import * as vitest from "vitest";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadAgentFile } from "../../src/flow/agents/file.ts";
import * as flow from "../../src/flow/index.ts";
import { formatProblem, readFlow } from "../../src/flow/index.ts";
import * as perdure from "../../src/index.ts";
import * as store from "../../src/store/index.ts";
import { openConnection } from "../../src/store/sqlite/driver.ts";
import * as testing from "../../src/testing/index.ts";
import { PostgresServer } from "../postgres/server.ts";
import { ask } from "../postgres/subject.ts";
import { type Block, type Page, pages, ROOT } from "./page.ts";

const exec = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), "perdure-docs-"));
const home = process.cwd();
const all = pages().filter(({ blocks }) => blocks.length > 0);

const folderOf = (page: Page): string => join(folder, page.path.replaceAll("/", "-").replace(/\.md$/, ""));
const fileOf = (page: Page, block: Block): string =>
  join(folderOf(page), block.options.file ?? `line-${block.line}.ts`);

/** The program as it is written down, on the lines it has in the page, so that errors name them. */
function programOf(page: Page, { text, line, words, options }: Block): string {
  if (options.file !== undefined) return text;
  const given = words.has("check") ? page.given.replaceAll("\n", " ") : "";
  return `export {}; ${given}${"\n".repeat(line - 1)}${text}\n`;
}

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

/** Started when a snippet needs it. */
let server: Promise<PostgresServer> | undefined;

/** The address of a database with nothing in it. */
async function freshDatabase(name: string): Promise<string> {
  server ??= PostgresServer.start({ fsync: false });
  const { url } = await server;
  await ask(url, `create database ${name}`);
  return url.replace(/\/postgres$/, `/${name}`);
}

beforeAll(() => {
  // Programs find the libraries they show.
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
  for (const page of all) {
    mkdirSync(folderOf(page), { recursive: true });
    for (const block of page.blocks) {
      if (block.language === "ts") write(fileOf(page, block), programOf(page, block));
      else if (block.options.file !== undefined) write(join(folderOf(page), block.options.file), `${block.text}\n`);
    }
  }
  const command = join(folder, "bin/perdure");
  write(command, `#!/bin/sh\nexec "${process.execPath}" "${join(ROOT, "bin/perdure.js")}" "$@"\n`);
  write(join(folder, "bin/npx"), '#!/bin/sh\nexec "$@"\n');
  for (const name of ["perdure", "npx"]) chmodSync(join(folder, "bin", name), 0o755);
});

afterAll(async () => {
  process.chdir(home);
  await (await server)?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

describe("all TypeScript", () => {
  it("has the right types", async () => {
    const entry = (name: string): string[] => [join(ROOT, "dist", name)];
    const compilerOptions = {
      target: "es2023",
      lib: ["es2023", "esnext.disposable"],
      module: "nodenext",
      moduleDetection: "force",
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      allowImportingTsExtensions: true,
      types: ["node"],
      typeRoots: [join(ROOT, "node_modules/@types")],
      paths: {
        perdure: entry("index.d.ts"),
        "perdure/flow": entry("flow/index.d.ts"),
        "perdure/store": entry("store/index.d.ts"),
        "perdure/testing": entry("testing/index.d.ts"),
        vitest: [join(ROOT, "node_modules/vitest/dist/index.d.ts")],
      },
    };
    write(join(folder, "package.json"), '{ "type": "module" }');
    write(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["**/*.ts"] }));
    const { stdout } = await exec(process.execPath, [
      join(ROOT, "node_modules/typescript/bin/tsc"),
      "-p",
      folder,
      "--pretty",
      "false",
    ]).catch((error: { stdout: string }) => error);
    expect(stdout.trim()).toBe("");
  });
});

const tested = all.filter((page) => page.blocks.some((block) => testOf(page, block) !== undefined));

describe.each(tested.map((page) => [page.path, page] as const))("%s", (_, page) => {
  for (const block of page.blocks) {
    const test = testOf(page, block);
    if (test !== undefined)
      it(`line ${block.line}: ${block.language} ${[...block.words].join(" ")}`, () => inFolder(page, test));
  }
});

function testOf(page: Page, block: Block): (() => Promise<void>) | undefined {
  const { language, words, options } = block;
  if (language === "ts" && words.has("postgres")) return () => runOnPostgres(page, block);
  if (language === "ts" && !words.has("check") && options.file === undefined) return () => runProgram(page, block);
  if (language === "yaml" && !words.has("part")) return async () => readYaml(page, block);
  if (language === "sql") return async () => runSql(block);
  if (language === "sh" && words.has("run")) return () => runCommands(block);
  return undefined;
}

async function inFolder(page: Page, test: () => Promise<void>): Promise<void> {
  process.chdir(folderOf(page));
  try {
    await test();
  } finally {
    process.chdir(home);
  }
}

const MODULES = {
  perdure,
  "perdure/flow": flow,
  "perdure/store": store,
  "perdure/testing": testing,
  vitest: { ...vitest, describe: () => {} },
};

async function runOnPostgres(page: Page, block: Block): Promise<void> {
  vitest.vi.stubEnv("DATABASE_URL", await freshDatabase(`${page.name.replaceAll("-", "_")}_${block.line}`));
  try {
    await runProgram(page, block);
  } finally {
    vitest.vi.unstubAllEnvs();
  }
}

async function runProgram(page: Page, block: Block): Promise<void> {
  const printed: string[] = [];
  const log = console.log;
  console.log = (...values: unknown[]) => {
    printed.push(
      values
        .map((value) => (typeof value === "string" ? value : inspect(value, { breakLength: Number.POSITIVE_INFINITY })))
        .join(" "),
    );
  };
  try {
    const jiti = createJiti(`${folderOf(page)}/`, {
      interopDefault: false,
      moduleCache: false,
      fsCache: false,
      virtualModules: MODULES,
    });
    await jiti.import(fileOf(page, block));
  } finally {
    console.log = log;
  }
  const promised = [...block.text.matchAll(/\/\/ => (.*)$/gm)].map((match) => match[1]!);
  if (promised.length > 0) expect(printed).toEqual(promised);
}

async function readYaml(page: Page, { text, words, options, line }: Block): Promise<void> {
  if (words.has("agents")) {
    const file = options.file ?? `agents-${line}.yaml`;
    write(file, text);
    expect(Object.keys((await loadAgentFile(file)).activities).length).toBeGreaterThan(0);
    return;
  }
  const { problems } = readFlow(text, { file: page.path });
  const errors = problems.filter(({ severity }) => severity === "error").map(formatProblem);
  if (words.has("wrong")) expect(errors.length).toBeGreaterThan(0);
  else expect(errors).toEqual([]);
}

function runSql({ text, options }: Block): void {
  const db = openConnection(options.store ?? "app.db");
  try {
    for (const statement of text.split(/;\s*$/m)) {
      if (statement.replaceAll(/--.*$/gm, "").trim() !== "") db.prepare(statement).all([]);
    }
  } finally {
    db.close();
  }
}

async function runCommands({ text }: Block): Promise<void> {
  const env = { ...process.env, PATH: `${join(folder, "bin")}:${process.env.PATH}`, NO_COLOR: "1", PERDURE_STORE: "" };
  for (const line of text.replaceAll(/\\\n\s*/g, "").split("\n")) {
    const [command = "", remark = ""] = line.split(/\s+#\s/, 2);
    if (command.trim() === "" || command.startsWith("#")) continue;
    const run = exec("bash", ["-c", command], { env }) as Promise<{ stdout: string; stderr: string }>;
    const {
      stdout,
      stderr,
      code = 0,
    } = await run.then(
      (ended) => ({ ...ended, code: 0 }),
      (error: { stdout: string; stderr: string; code: number }) => error,
    );
    expect({ command, code, stderr: code === 0 ? "" : stderr }).toMatchObject({
      command,
      code: Number(/exit (\d+)/.exec(remark)?.[1] ?? 0),
    });
    const promised = /^=> (.*)$/.exec(remark)?.[1];
    if (promised !== undefined) expect(stdout).toContain(promised);
  }
}
