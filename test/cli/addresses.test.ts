/** Addresses of stores as people get them wrong: nothing is made, and no password is shown. */
import { readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { folderWith, perdure } from "./perdure.ts";

const SECRET = "changeme";
const COMMANDS = [["migrate"], ["migrate", "--status"], ["runs", "list"], ["runs", "list", "--json"], ["doctor"]];

/** How a command ends, which says nothing of the password. */
async function said(folder: string, command: readonly string[], ...store: readonly string[]): Promise<number | null> {
  const { code, stdout, stderr } = await perdure(folder, ...command, ...store);
  expect(stdout + stderr, command.join(" ")).not.toContain(SECRET);
  return code;
}

describe("a wrong address of a server", () => {
  test.each([
    `"postgres://u:${SECRET}@127.0.0.1:1/db"`,
    `postgres//u:${SECRET}@127.0.0.1:1/db`,
    `postgres:u:${SECRET}@127.0.0.1`,
    `postgre://u:${SECRET}@127.0.0.1:1/db`,
    `postgres://u:p/w#${SECRET}@127.0.0.1:1/db`,
  ])(
    "makes no file and is shown without its password: %s",
    async (address) => {
      const folder = folderWith({});
      for (const command of COMMANDS)
        expect(await said(folder, command, "--store", address), command.join(" ")).toBe(
          command[0] === "doctor" ? 1 : 2,
        );
      expect(readdirSync(folder)).toEqual([]);
    },
    60_000,
  );

  test("in a configuration, too", async () => {
    const file = "perdure.config.mjs";
    for (const address of [`'postgres://u:${SECRET}@h/db'`, `postgres:u:${SECRET}@h`, `postgres//u:${SECRET}@h/db`]) {
      const folder = folderWith({ [file]: `export default { store: ${JSON.stringify(address)} };\n` });
      expect(await said(folder, ["doctor"])).toBe(1);
      expect(await said(folder, ["migrate"])).toBe(2);
      expect(readdirSync(folder)).toEqual([file]);
    }
  }, 60_000);
});

test("white space around an address means nothing", async () => {
  const folder = folderWith({});
  const server = await perdure(folder, "migrate", "--store", ` postgres://u:${SECRET}@127.0.0.1:1/db `);
  expect([server.code, server.stderr]).toEqual([3, expect.stringContaining("postgres://u:***@127.0.0.1:1/db")]);
  expect(readdirSync(folder)).toEqual([]);
  expect((await perdure(folder, "migrate", "--store", " sqlite:app.db ")).code).toBe(0);
  expect(readdirSync(folder)).toContain("app.db");
});

test("the help names every kind of store", async () => {
  const { stdout } = await perdure(folderWith({}), "runs", "list", "--help");
  expect(stdout).toMatch(/sqlite:PATH, postgres:\/\/… or memory:/);
});
