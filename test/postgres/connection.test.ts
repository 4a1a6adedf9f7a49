/** The way to a database that is wrong, closed, silent or shared: what callers are told, how soon, and never the password. */
import { type AddressInfo, createServer, type Server, type Socket, connect as tcp } from "node:net";
import { setTimeout as pass } from "node:timers/promises";
import { inspect } from "node:util";
import { describe, expect, it, onTestFinished } from "vitest";
import { silentLogger } from "../../src/engine/log.ts";
import {
  type OpenOptions,
  open,
  type Perdure,
  PerdureError,
  type StoreTransaction,
  signal,
  workflow,
} from "../../src/index.ts";
import { openPostgresStore } from "../../src/store/index.ts";
import { newScene } from "../../src/testing/store-conformance/scene.ts";
import { eventually } from "../crash/eventually.ts";
import { gate } from "../gate.ts";
import { postgresForTests } from "./subject.ts";

const PASSWORD = "open/sesame@7";
const postgres = postgresForTests({
  fsync: false,
  hba: [
    "host all perdure 127.0.0.1/32 trust",
    "host all nobody_here 127.0.0.1/32 trust",
    "host all turncoat 127.0.0.1/32 trust",
    "host all narrow 127.0.0.1/32 trust",
    "host all locked 127.0.0.1/32 scram-sha-256",
  ],
});

const go = signal<number>("go");
const waits = workflow("waits", async (wf) => wf.waitFor(go));
const books = workflow("books", async (wf) => wf.transaction("book", async (tx) => tx.query("select 1 as one")));

async function engine(store: string, options: OpenOptions = {}): Promise<Perdure> {
  const opened = await open({ store, workflows: [waits, books], logger: silentLogger, poll: "200ms", ...options });
  onTestFinished(() => opened.close());
  return opened;
}

/** The server's address with something else in it. */
function address(changes: Partial<Pick<URL, "hostname" | "port" | "username" | "pathname" | "password">>): string {
  const url = Object.assign(new URL(postgres.server.url), changes);
  return url.href;
}

/** How opening fails: the message and how long it took. Nothing of it may show the password. */
async function refusal(target: string): Promise<{ message: string; ms: number }> {
  const before = performance.now();
  const error = await openPostgresStore(target).then(
    (store) => store.close(),
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ code: "UNAVAILABLE" });
  const everything = inspect(error, { depth: 20, showHidden: true }) + JSON.stringify(error);
  for (const form of [PASSWORD, encodeURIComponent(PASSWORD)]) expect(everything).not.toContain(form);
  return { message: (error as Error).message, ms: performance.now() - before };
}

describe("an address that leads nowhere is refused with what to do:", () => {
  it.each([
    ["a wrong password", { username: "locked", password: "wrong" }, /look at the user and the password/],
    ["no password", { username: "locked", password: "" }, /put it in the address, or in PGPASSWORD/],
    ["an unknown user", { username: "nobody_here" }, /role "nobody_here" does not exist/],
    ["a user that may not come from here", { username: "stranger" }, /pg_hba.conf/],
    ["an unknown database", { pathname: "/nowhere" }, /"nowhere" does not exist; create the database first/],
    ["a port where nobody listens", { port: "1" }, /ECONNREFUSED.*is the server running/],
    ["an unknown host", { hostname: "no-such-host.invalid" }, /look at the host/],
  ])("%s", async (_, changes, message) => {
    await postgres.ask("drop role if exists locked");
    await postgres.ask(`create role locked login password '${PASSWORD}'`);
    const refused = await refusal(address({ password: encodeURIComponent(PASSWORD), ...changes }));
    expect(refused.message).toMatch(message);
    expect(refused.ms).toBeLessThan(5000);
  });

  it("too many connections", async () => {
    await postgres.ask("create role narrow superuser login connection limit 2");
    const store = await openPostgresStore(`${address({ username: "narrow" })}?schema=narrow&listen=false`);
    onTestFinished(() => store.close());
    const scene = await newScene(store);
    await postgres.ask("alter role narrow nosuperuser connection limit 1");
    await expect(Promise.all([scene.start(), store.engines(), store.renew(scene.lease)])).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringMatching(/too many connections.*raise max_connections/),
    });
  });
});

describe("schemas", () => {
  it.each([
    "Orders",
    "my-flows",
    "a b",
    'x"; drop schema public; --',
    "pg_flows",
    "ordnungsgemäß",
    "1st",
    "a".repeat(51),
  ])("with a name like %s are refused before anything is sent", async (schema) => {
    const url = `postgres://app:${encodeURIComponent(PASSWORD)}@127.0.0.1:1/x?schema=${encodeURIComponent(schema)}`;
    const opening = openPostgresStore(url);
    await expect(opening).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await expect(opening).rejects.toThrow(/must be small letters, digits and _/);
    await expect(opening).rejects.not.toThrow(/sesame/);
  });

  it("of one database are stores that know nothing of each other", async () => {
    const [url, other] = [postgres.freshAddress(), postgres.freshAddress()];
    const [mine, theirs] = [await engine(url, { poll: "30s" }), await engine(other, { poll: "30s" })];
    const [here, there] = [
      await mine.start(waits, undefined, { id: "w" }),
      await theirs.start(waits, undefined, { id: "w" }),
    ];
    expect(here.runId).not.toBe(there.runId);
    await here.signal(go, 1);
    expect(await here.result()).toBe(1);
    expect(await there.status()).toBe("running");
    await mine.close();
    await postgres.ask(`drop schema ${new URL(url).searchParams.get("schema")} cascade`);
    await there.signal(go, 2);
    expect(await there.result()).toBe(2);
  });
});

/** Something between an engine and its database that can fall silent: connections stay open, and nothing comes through. */
class Wire {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #to: number;
  #silent = false;

  private constructor(to: number) {
    this.#to = to;
    this.#server = createServer((near) => this.#join(near));
  }

  static async to(url: string): Promise<Wire> {
    const wire = new Wire(Number(new URL(url).port));
    await new Promise<void>((resolve) => wire.#server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => wire.close());
    return wire;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  fallSilent(): void {
    this.#silent = true;
    for (const socket of this.#sockets) socket.pause();
  }

  /** What was under way arrives late. */
  speak(): void {
    this.#silent = false;
    for (const socket of this.#sockets) socket.resume();
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #join(near: Socket): void {
    const far = tcp(this.#to, "127.0.0.1");
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(one);
      one.on("data", (bytes) => other.write(bytes));
      one.on("close", () => {
        this.#sockets.delete(one);
        other.destroy();
      });
      one.on("error", () => one.destroy());
      if (this.#silent) one.pause();
    }
  }
}

describe("a database that", () => {
  it("does not answer is given up in time, and others take over", { timeout: 30_000 }, async () => {
    const store = postgres.freshAddress();
    const wire = await Wire.to(postgres.server.url);
    const through = store.replace(/:\d+\/postgres/, `:${wire.port}/postgres`);
    const cut = await engine(through, { leaseTtl: "1s" });
    const handle = await cut.start(waits, undefined, { id: "w" });
    wire.fallSilent();
    const refused = await refusal(through);
    expect(refused.message).toMatch(/firewall/);
    expect(refused.ms).toBeLessThan(7000);
    const other = await engine(store, { leaseTtl: "1s" });
    await (await other.handle("w")).signal(go, 7);
    expect(await (await other.handle("w")).result()).toBe(7);
    wire.speak();
    expect(await handle.result({ timeout: "15s" })).toBe(7);
    const next = await cut.start(books, undefined, { id: "b" });
    expect(await next.result()).toEqual([{ one: 1 }]);
  });

  it("could only be read from, as after a failover to the wrong side, is left for one that can be written", async () => {
    const turncoat = postgres.freshAddress().replace("perdure@", "turncoat@");
    await postgres.ask("create role turncoat superuser login");
    const writes = workflow("writes", async (wf) => {
      await wf.waitFor(go);
      return wf.transaction("write", async (tx) => tx.query("create table written ()"), { retry: { maxAttempts: 1 } });
    });
    const one = await engine(turncoat, { workflows: [waits, writes] });
    const handle = await one.start(waits, undefined, { id: "w" });
    const writing = await one.start(writes, undefined, { id: "t" });
    await postgres.ask("alter role turncoat set default_transaction_read_only = on");
    await postgres.ask("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'turncoat'");
    const doubtful = one.start(waits, undefined, { id: "v" }).catch((error: unknown) => error);
    // The first may still go out on a connection that is being ended.
    const toldOfStandby = async (): Promise<boolean> => {
      const refused: unknown = await handle.signal(go, 1).catch((error: unknown) => error);
      expect(refused).toMatchObject({ code: "UNAVAILABLE" });
      return String(refused).includes("leads to a standby");
    };
    await eventually(toldOfStandby, "the way to lead to a standby");
    const several = (payload: number): Promise<void>[] =>
      [1, 2, 3].map((n) => handle.signal(go, payload, { key: `k${n}` }));
    await Promise.all(several(1).map((refused) => expect(refused).rejects.toMatchObject({ code: "UNAVAILABLE" })));
    await pass(200);
    await postgres.ask("alter role turncoat reset default_transaction_read_only");
    // Connections from before lead nowhere; nobody is told of that.
    await Promise.all(several(5));
    expect(await handle.result({ timeout: "10s" })).toBe(5);
    await doubtful;
    await writing.signal(go, 1);
    expect(await writing.result({ timeout: "10s" })).toEqual([]);
    const again = await one.start(waits, undefined, { id: "v", conflict: "attach" });
    await again.signal(go, 6);
    expect(await again.result({ timeout: "10s" })).toBe(6);
  });

  it("is away keeps nobody waiting for a start, and what was under way is not lost", { timeout: 30_000 }, async () => {
    const one = await engine(postgres.freshAddress(), { leaseTtl: "30s" });
    const before = await one.start(waits, undefined, { id: "before" });
    await postgres.server.stop("immediate");
    const refusals = [0, 1].map(async (n) => {
      const asked = performance.now();
      await expect(one.start(waits, undefined, { id: `during-${n}` })).rejects.toMatchObject({ code: "UNAVAILABLE" });
      return performance.now() - asked;
    });
    expect(Math.max(...(await Promise.all(refusals)))).toBeLessThan(5000);
    const asked = performance.now();
    await expect(one.start(waits, undefined, { id: "later" })).rejects.toThrow("was not started");
    expect(performance.now() - asked).toBeLessThan(100);
    await postgres.server.resume();
    const insist = async (id: string): Promise<unknown> => {
      for (;;) {
        try {
          const handle = await one.start(waits, undefined, { id, conflict: "attach" });
          await handle.signal(go, 3, { key: "k" });
          return await handle.result({ timeout: "20s" });
        } catch (error) {
          expect(error).toMatchObject({ code: "UNAVAILABLE" });
          await pass(50);
        }
      }
    };
    expect(await Promise.all(["during-0", "during-1", "later"].map(insist))).toEqual([3, 3, 3]);
    await before.signal(go, 4);
    expect(await before.result()).toBe(4);
  });

  it("is away for longer than a transaction is tried costs no run its step", async () => {
    const once = { retry: { maxAttempts: 1 } };
    const begun = gate();
    const book = async (tx: StoreTransaction): Promise<unknown> => {
      begun.open();
      return tx.query("select pg_sleep(0.3), 1 as one");
    };
    const slow = workflow("slow", async (wf) => wf.transaction("book", book, once));
    const one = await engine(postgres.freshAddress(), { workflows: [slow] });
    const handle = await one.start(slow);
    await begun.passed;
    await postgres.server.stop("immediate");
    await pass(1000);
    await postgres.server.resume();
    expect(await handle.result({ timeout: "20s" })).toMatchObject([{ one: 1 }]);
  });

  it("is there, when only something else is not, does not keep a transaction trying", async () => {
    const elsewhere = new PerdureError("UNAVAILABLE", "the post office is closed");
    const sends = workflow("sends", async (wf) =>
      wf.transaction("send", () => Promise.reject(elsewhere), { retry: { maxAttempts: 1 } }),
    );
    const one = await engine(postgres.freshAddress(), { workflows: [sends] });
    await expect((await one.start(sends)).result({ timeout: "5s" })).rejects.toThrow("the post office is closed");
  });
});
