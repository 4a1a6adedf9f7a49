/** TLS to PostgreSQL: encrypted as the address says, and refused with words that say what to do. */
import { chmodSync } from "node:fs";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { silentLogger } from "../../src/engine/log.ts";
import { open, workflow } from "../../src/index.ts";
import { openPostgresStore } from "../../src/store/index.ts";
import { Authority } from "./certificates.ts";
import { PostgresServer } from "./server.ts";
import { ask } from "./subject.ts";

let authority: Authority;
let stranger: Authority;
let server: PostgresServer;

beforeAll(async () => {
  authority = new Authority("our authority");
  stranger = new Authority("somebody else's authority");
  const { text, key } = authority.issue("localhost", "DNS:localhost");
  server = await PostgresServer.start({
    fsync: false,
    settings: { ssl: "on", ssl_cert_file: "server.crt", ssl_key_file: "server.key", ssl_ca_file: "root.crt" },
    files: { "server.crt": text, "server.key": key, "root.crt": authority.root.text },
    hba: [
      "host all perdure 127.0.0.1/32 trust",
      "hostssl all safe 127.0.0.1/32 trust",
      "hostssl all badge 127.0.0.1/32 cert",
    ],
  });
  await ask(server.url, "create role safe superuser login");
  await ask(server.url, "create role badge superuser login");
}, 60_000);
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  authority?.[Symbol.dispose]();
  stranger?.[Symbol.dispose]();
});

/** An address of the server: how to check it, by which name, as whom. */
function address(parameters: string, { host = "localhost", user = "perdure" } = {}): string {
  const url = new URL(server.url);
  url.hostname = host;
  url.username = user;
  url.password = "opensesame";
  return `${url.href}?application_name=tls&${parameters}`;
}

const root = ({ root }: Authority): string => `sslrootcert=${encodeURIComponent(root.file)}`;

async function refused(target: string): Promise<string> {
  const opening = openPostgresStore(target);
  opening.then((store) => store.close()).catch(() => undefined);
  const error = await opening.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ code: "UNAVAILABLE" });
  expect(String((error as Error).stack)).not.toContain("opensesame");
  return (error as Error).message;
}

it.each([
  ["require", () => "sslmode=require"],
  ["verify-ca", () => `sslmode=verify-ca&${root(authority)}`],
  ["verify-full", () => `sslmode=verify-full&${root(authority)}`],
])("sslmode=%s encrypts every connection of an engine", async (_, parameters) => {
  const hello = workflow("hello", async (wf) => wf.transaction("see", async (tx) => tx.query("select 1 as one")));
  const engine = await open({ store: address(parameters()), workflows: [hello], logger: silentLogger });
  onTestFinished(() => engine.close());
  expect(await (await engine.start(hello)).result()).toEqual([{ one: 1 }]);
  const sql = "select ssl from pg_stat_ssl join pg_stat_activity using (pid) where application_name = 'tls'";
  const connections = await ask(server.url, sql);
  expect(connections.length).toBeGreaterThanOrEqual(4);
  expect(connections.every(({ ssl }) => ssl === true)).toBe(true);
});

it("refuses a server whose authority is not the one that was named", async () => {
  for (const mode of ["verify-ca", "verify-full"]) {
    expect(await refused(address(`sslmode=${mode}&${root(stranger)}`))).toMatch(/certificate.*sslrootcert=FILE/);
  }
});

it("checks the authority with sslmode=require, too, when one is named, but never the name", async () => {
  const other = { host: "127.0.0.1" };
  expect(await refused(address(`sslmode=require&${root(stranger)}`))).toMatch(/certificate.*sslrootcert=FILE/);
  await (await openPostgresStore(address(`sslmode=require&${root(authority)}`, other))).close();
});

it("takes a named authority without sslmode for verify-full", async () => {
  await (await openPostgresStore(address(root(authority)))).close();
  expect(await refused(address(root(authority), { host: "127.0.0.1" }))).toMatch(/another name/);
});

it("opens nothing with words that it could not keep, and shows no password then", async () => {
  for (const parameters of [
    "sslmode=prefer",
    "sslmode=verify-ca",
    "sslmode=verify-fulll",
    "ssl=true",
    "sslmod=require",
  ]) {
    const opening = openPostgresStore(address(parameters));
    await expect(opening, parameters).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.not.stringContaining("opensesame"),
    });
  }
});

it("begins with TLS at once where sslnegotiation=direct says so", async () => {
  await (await openPostgresStore(address("sslmode=require&sslnegotiation=direct"))).close();
});

it("refuses an authority that nobody named", async () => {
  expect(await refused(address("sslmode=verify-full"))).toMatch(/certificate.*sslrootcert=FILE/);
});

it("refuses a server with another name, but only where names are checked", async () => {
  const other = { host: "127.0.0.1" };
  expect(await refused(address(`sslmode=verify-full&${root(authority)}`, other))).toMatch(
    /another name.*sslmode=verify-ca/,
  );
  await (await openPostgresStore(address(`sslmode=verify-ca&${root(authority)}`, other))).close();
});

it("says that the server wants TLS", async () => {
  expect(await refused(address("sslmode=disable", { user: "safe" }))).toContain("sslmode=require");
  await (await openPostgresStore(address("sslmode=require", { user: "safe" }))).close();
});

it("says that the server has no TLS", async () => {
  await using plain = await PostgresServer.start({ fsync: false });
  expect(await refused(`${plain.url}?sslmode=require`)).toMatch(/does not support SSL.*turn on ssl/);
});

it("says which file cannot be read", async () => {
  expect(await refused(address("sslmode=verify-full&sslrootcert=/not/there.pem"))).toMatch(
    /\/not\/there\.pem.*sslrootcert, sslcert and sslkey/,
  );
});

it("shows a certificate of its own where the server asks for one", async () => {
  const { file, keyFile } = authority.issue("badge");
  chmodSync(keyFile, 0o600);
  const mine = `sslcert=${encodeURIComponent(file)}&sslkey=${encodeURIComponent(keyFile)}`;
  const checked = `sslmode=verify-full&${root(authority)}`;
  await (await openPostgresStore(address(`${checked}&${mine}`, { user: "badge" }))).close();
  expect(await refused(address(checked, { user: "badge" }))).toMatch(/certificate/);
});
