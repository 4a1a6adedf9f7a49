/** Schemas of PostgreSQL stores: made, checked, refused; views. */
import { describe, expect, it, onTestFinished } from "vitest";
import { formatRunId } from "../../src/core/ids.ts";
import { connect, open } from "../../src/index.ts";
import { openPostgresStore, openStore, postgresMigrationStatus } from "../../src/store/index.ts";
import { checksum } from "../../src/store/migration-state.ts";
import { MIGRATIONS } from "../../src/store/postgres/migrations/index.ts";
import { attempt, event, image, newScene } from "../../src/testing/store-conformance/scene.ts";
import { folderWith, perdure } from "../cli/perdure.ts";
import { postgresForTests } from "./subject.ts";

const postgres = postgresForTests({ fsync: false });

function schemaOf(address: string): string {
  return new URL(address).searchParams.get("schema")!;
}

async function made(): Promise<{ address: string; schema: string }> {
  const address = postgres.freshAddress();
  await (await openPostgresStore(address)).close();
  return { address, schema: schemaOf(address) };
}

describe("migrations of a PostgreSQL store", () => {
  it("are applied once, by whoever comes first", async () => {
    const address = postgres.freshAddress();
    expect((await postgresMigrationStatus(address)).applied).toEqual([]);
    const stores = await Promise.all(Array.from({ length: 5 }, () => openStore(address)));
    expect(new Set(stores.map(({ id }) => id)).size).toBe(1);
    await Promise.all(stores.map((store) => store.close()));
    const { applied, pending } = await postgresMigrationStatus(address);
    expect(pending).toEqual([]);
    expect(applied.map(({ number, name }) => [number, name])).toEqual(
      MIGRATIONS.map(({ number, name }) => [number, name]),
    );
  });

  it("never change: databases remember their texts", () => {
    expect(
      MIGRATIONS.map((migration) => `${migration.number} ${migration.name} ${checksum(migration)}`),
    ).toMatchSnapshot();
  });

  it("are refused when they come from a newer version or another text", async () => {
    const { address, schema } = await made();
    await postgres.ask(`insert into ${schema}.migrations values (99, 'future', 'x', 1)`);
    await expect(openStore(address)).rejects.toMatchObject({
      code: "INCOMPATIBLE_STORE",
      message: expect.stringMatching(/newer version: it has migration 99 \(future\)/),
    });
    await postgres.ask(`delete from ${schema}.migrations where number = 99`);
    await postgres.ask(`update ${schema}.migrations set checksum = 'x' where number = 2`);
    await expect(openStore(address)).rejects.toMatchObject({
      code: "INCOMPATIBLE_STORE",
      message: expect.stringMatching(/a different migration 2/),
    });
  });

  it("leave the schemas of others alone", async () => {
    const address = postgres.freshAddress();
    await postgres.ask(`create schema ${schemaOf(address)}`);
    await postgres.ask(`create table ${schemaOf(address)}.mine (n integer)`);
    await expect(openStore(address)).rejects.toMatchObject({
      code: "INCOMPATIBLE_STORE",
      message: expect.stringContaining("?schema="),
    });
  });
});

describe("a PostgreSQL store that is only to be looked at", () => {
  const COMMANDS = [
    ["runs", "list"],
    ["runs", "show", "x"],
    ["runs", "signal", "x", "go"],
    ["gc"],
    ["pauses"],
    ["schedules", "list"],
    ["replay"],
  ];
  const relations = (schema: string): Promise<unknown> =>
    postgres.ask("select relname from pg_class where relnamespace = to_regnamespace($1)", [schema]);

  it("is not made", { timeout: 60_000 }, async () => {
    const address = postgres.freshAddress();
    const missing = { code: "UNAVAILABLE", message: expect.stringMatching(/there is no store at .*perdure migrate/) };
    await expect(connect({ store: address })).rejects.toMatchObject(missing);
    await expect(open({ store: address, migrate: false })).rejects.toMatchObject(missing);
    const folder = folderWith({});
    for (const command of COMMANDS) {
      const { code, stderr } = await perdure(folder, ...command, "--store", address);
      expect([code, stderr], command.join(" ")).toEqual([3, expect.stringContaining("there is no store at")]);
    }
    const doctor = await perdure(folder, "doctor", "--store", address);
    expect(doctor.stdout).toContain("does not exist yet");
    expect(await postgres.ask("select from pg_namespace where nspname = $1", [schemaOf(address)])).toEqual([]);
    await postgres.ask(`create schema ${schemaOf(address)}`);
    await expect(connect({ store: address })).rejects.toMatchObject(missing);
    expect(await relations(schemaOf(address))).toEqual([]);
  });

  it("is not migrated", { timeout: 60_000 }, async () => {
    const { address, schema } = await made();
    await postgres.ask(`delete from ${schema}.migrations where number = ${MIGRATIONS.length}`);
    const { pending } = await postgresMigrationStatus(address);
    const behind = {
      code: "UNAVAILABLE",
      message: expect.stringMatching(/older version.*migration \d.*Run "perdure migrate"/),
    };
    await expect(connect({ store: address })).rejects.toMatchObject(behind);
    await expect(open({ store: address, migrate: false })).rejects.toMatchObject(behind);
    const folder = folderWith({});
    for (const command of COMMANDS) {
      const { code, stderr } = await perdure(folder, ...command, "--store", address);
      expect([code, stderr], command.join(" ")).toEqual([3, expect.stringContaining("perdure migrate")]);
    }
    const doctor = await perdure(folder, "doctor", "--store", address);
    expect([doctor.code, doctor.stdout]).toEqual([1, expect.stringMatching(/✖ schema.*1 missing/)]);
    expect((await postgresMigrationStatus(address)).pending).toEqual(pending);
  });
});

describe("views of a PostgreSQL store", () => {
  const AT = Date.parse("2026-02-03T04:05:06.789Z");
  const row = (type: string, at: number, data: string): ReturnType<typeof event> => event(type, at, data);

  it("show runs, stages, decisions and checkpoints to plain SQL", async () => {
    const address = postgres.freshAddress();
    const store = await openPostgresStore(address);
    onTestFinished(() => store.close());
    const actor = await newScene(store);
    const run = await actor.start({
      workflowId: "order-1",
      createdAt: AT,
      first: row("RunStarted", AT, '{"p":{"n":1,"bad":"\\u0000 \\ud800"}}'),
    });
    await actor.advance(run, 1, {
      events: [
        row(
          "StepCompleted",
          AT + 40,
          '{"c":1,"k":"activity","n":"charge","a":2,"d":30,"o":[{"k":"decision","step":"pay","to":"x"}]}',
        ),
        row("StepFailed", AT + 50, '{"c":2,"k":"child","n":"ship","e":{"name":"Error","message":"no \\u0000 van"}}'),
        row(
          "TimerFired",
          AT + 60,
          '{"c":3,"k":"timer","l":"nap","o":[{"k":"checkpoint","state":1},{"k":"wait.completed","name":"go","command":4}]}',
        ),
      ],
      attempts: [attempt(5, { firstAt: AT, error: '{"name":"E","message":"later"}', startedAt: null })],
    });
    await actor.advance(run, 4, {
      events: [row("RunFailed", AT + 70, '{"e":{"name":"Error","message":"gone"}}')],
      image: image({ status: "failed", owned: false, closedAt: AT + 70 }),
    });
    const view = (columns: string, name: string): Promise<unknown> =>
      postgres.ask(`select ${columns} from ${schemaOf(address)}.${name}`);
    expect(
      await view("run_id, workflow_id, status, created_at, closed_at, duration_ms::int, input, error", "runs"),
    ).toEqual([
      {
        run_id: formatRunId(store.id, run),
        workflow_id: "order-1",
        status: "failed",
        created_at: "2026-02-03T04:05:06.789Z",
        closed_at: "2026-02-03T04:05:06.859Z",
        duration_ms: 70,
        input: '{"n":1,"bad":"\\ufffd \\ufffd"}',
        error: "Error: gone",
      },
    ]);
    const stages = (await view(
      "command, step, kind, status, attempts, started_at, duration_ms::int, error",
      "stages order by command",
    )) as object[];
    expect(stages.map((stage) => Object.values(stage))).toEqual([
      [1, "charge", "activity", "completed", 2, "2026-02-03T04:05:06.799Z", 30, null],
      [2, "ship", "child", "failed", null, "2026-02-03T04:05:06.839Z", 0, "Error: no \ufffd van"],
      [3, "nap", "timer", "completed", null, null, null, null],
      [4, "go", "wait", "completed", null, null, null, null],
      [5, "charge", "activity", "pending", 1, "2026-02-03T04:05:06.789Z", null, "E: later"],
    ]);
    expect(await view("seq, kind, step, data::json", "decisions")).toEqual([
      { seq: 2, kind: "decision", step: "pay", data: { step: "pay", to: "x" } },
    ]);
    expect(await view("seq, data::json", "checkpoints")).toEqual([{ seq: 4, data: { state: 1 } }]);
  });
});
