/**
 * Starts runs as fast as it can while retention archives and deletes those that have ended, and watches whether the store stays as fast
 * and as small as it was: `npm run soak -- --runs 1000000 --store postgres`. Exit code 1 when it does not, or a run was lost.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { isPerdureError, open, type Perdure } from "perdure";
import { openPostgresStore, openSqliteStore, type Store } from "perdure/store";
import pg from "pg";
import { readArchive } from "./archive-check.ts";
import { Place, type StoreKind } from "./place.ts";
import { type Probe, postgresProbe, sqliteProbe } from "./probe.ts";
import { complaints, line, type Outcome, picture, rateBetween, summary } from "./report.ts";
import { type Sample, Sampler } from "./sampler.ts";
import { shapeOf, WORKFLOWS } from "./shapes.ts";

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "100000" },
    store: { type: "string", default: "postgres" },
    "in-flight": { type: "string", default: "500" },
    retention: { type: "string", default: "10s" },
    sample: { type: "string", default: "3" },
    out: { type: "string", default: "out/soak" },
    /** For comparison: `default`, as PostgreSQL would make the tables by itself, or settings such as `events:autovacuum_vacuum_scale_factor=0.2`. */
    storage: { type: "string", default: "ours" },
    "no-archive": { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});

const SCHEMA = "perdure";
const CATCH_UP_MS = 180_000;
const MAX_TRIES = 30;
/** Callers that asked again. */
let impatient = 0;

const wanted = Number(values.runs);
const kind = values.store as StoreKind;
if (!Number.isSafeInteger(wanted) || wanted < 1) throw new Error("--runs takes a whole number from 1");
if (kind !== "postgres" && kind !== "sqlite") throw new Error("--store is postgres or sqlite");

const outcome = await soak();
const found = complaints(outcome);
if (values.json) process.stdout.write(`${JSON.stringify({ ...outcome, complaints: found })}\n`);
else
  for (const text of ["", ...summary(outcome), ...found.map((text) => `✖ ${text}`)]) process.stdout.write(`${text}\n`);
mkdirSync(values.out, { recursive: true });
const file = join(values.out, `soak-${kind}-${wanted}.svg`);
writeFileSync(file, picture(outcome));
if (!values.json) process.stdout.write(`picture      ${file}\n`);
process.exitCode = found.length > 0 ? 1 : 0;

async function soak(): Promise<Outcome> {
  await using place = await Place.make(kind);
  const store = await openTheStore(place);
  const asking = await openTheStore(place);
  if (place.url !== undefined && values.storage !== "ours") await settings(place.url, values.storage);
  const probe: Probe =
    place.url === undefined ? sqliteProbe(join(place.folder, "soak.db")) : await postgresProbe(place.url, SCHEMA);
  const engine = await open({
    store,
    workflows: WORKFLOWS,
    retention: values.retention as "10s",
    ...(values["no-archive"] ? {} : { archive: place.archive }),
  });
  let done = 0;
  let half: number | undefined;
  let most = 0;
  const sampler = new Sampler(
    probe,
    asking,
    () => done,
    (sample) => {
      if (sample.done >= wanted / 2) half ??= sample.bytes;
      if (half !== undefined) most = Math.max(most, sample.bytes);
      show(sample);
    },
  );
  const startedAt = performance.now();
  try {
    sampler.start(Number(values.sample) * 1000);
    await load(engine, (runs) => {
      done += runs;
    });
    const seconds = (performance.now() - startedAt) / 1000;
    await sampler.stop();
    await sampler.look();
    const bloat = await probe.bloat();
    const from = performance.now();
    const left = await caughtUp(asking);
    const caught = (performance.now() - from) / 1000;
    const archive = values["no-archive"] ? { lines: 0, runs: done } : await readArchive(place.archive);
    if (archive.runs < done) throw new Error(`${done} runs have ended, and ${archive.runs} are in the archive`);
    const { samples } = sampler;
    return {
      store: kind,
      storage: kind === "postgres" ? `storage parameters: ${values.storage}` : "one file",
      runs: done,
      seconds,
      early: rateBetween(samples, 1 / 8, 2 / 8),
      late: rateBetween(samples, 7 / 8, 1),
      halfBytes: half ?? 0,
      mostBytes: most,
      impatient,
      bloat,
      archived: { ...archive, left, seconds: caught },
      samples,
    };
  } finally {
    await sampler.stop();
    await engine.close();
    await probe[Symbol.asyncDispose]();
    await asking.close();
    await store.close();
  }
}

function openTheStore({ address, folder }: Place): Promise<Store> {
  return kind === "postgres" ? openPostgresStore(address) : openSqliteStore({ path: join(folder, "soak.db") });
}

/** So many callers, each starting its next run when its last one has ended. */
async function load(engine: Perdure, ended: (runs: number) => void): Promise<void> {
  let next = 0;
  let made = 0;
  const caller = async (): Promise<void> => {
    while (made < wanted) {
      const n = next++;
      const shape = shapeOf(n);
      made += shape.runs;
      await again(() => shape.run(engine, n));
      ended(shape.runs);
    }
  };
  await Promise.all(Array.from({ length: Number(values["in-flight"]) }, caller));
}

/** An overloaded machine may keep a caller waiting for longer than it is patient: it asks again, as any caller would. */
async function again(run: () => Promise<unknown>): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await run();
      return;
    } catch (error) {
      if (!isPerdureError(error, "UNAVAILABLE") && !isPerdureError(error, "RUN_CLOSED")) throw error;
      if (tries === MAX_TRIES) throw error;
      impatient++;
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
}

/** How many runs are left when retention has had its time. */
async function caughtUp(store: Store): Promise<number> {
  const until = performance.now() + CATCH_UP_MS;
  for (;;) {
    const rows = await store.list({ limit: 1 });
    if (rows.length === 0 || performance.now() > until) break;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  return (await store.list({ limit: 1_000_000 })).length;
}

async function settings(url: string, storage: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  if (storage === "default") {
    const { rows } = await client.query(
      "select relname, reloptions from pg_class where relnamespace = $1::regnamespace and relkind = 'r' and reloptions is not null",
      [SCHEMA],
    );
    for (const { relname, reloptions } of rows as { relname: string; reloptions: string[] }[]) {
      const names = reloptions.map((option) => option.slice(0, option.indexOf("=")));
      await client.query(`alter table ${SCHEMA}.${relname} reset (${names.join(", ")})`);
    }
  } else {
    for (const one of storage.split(" ")) {
      const [table, parameters] = one.split(":");
      await client.query(`alter table ${SCHEMA}.${table} set (${parameters})`);
    }
  }
  await client.end();
}

function show(sample: Sample): void {
  if (values.json) return;
  process.stdout.write(`${line(sample)}\n`);
}
