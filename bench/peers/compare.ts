/**
 * `npm run bench -- peers`: the engine and other systems under the same load, on the same server, in the same minutes. In each round every
 * system has its turn: a fresh process on a fresh database, all its workloads one after the other. Medians of the rounds count.
 */
import { parseArgs } from "node:util";
import { oneOf, storeOf } from "../arguments.ts";
import { median } from "../measurement.ts";
import { PostgresServer, SERVER_SETTINGS } from "../postgres-server.ts";
import { quietMoment } from "../quiet-moment.ts";
import { removeFolder, type StoreKind, StorePlace, scratchFolder } from "../store-place.ts";
import { type ComparedWork, isInstalled, PEERS, type Peer, WORKS } from "./catalogue.ts";
import { type Comparison, jsonOf, tableOf } from "./comparison.ts";
import { type Opened, PeerDriver } from "./peer-driver.ts";
import type { Loaded } from "./serve.ts";

const USAGE = `usage: npm run bench -- peers [options]

  --store postgres|sqlite|postgres://USER@HOST/DATABASE   what the engine runs on (postgres)
  --only NAME,NAME     ${PEERS.map(({ name }) => name).join(", ")}
  --work W1,W2         ${WORKS.map(({ name }) => name).join(", ")}
  --rounds N           medians of so many rounds (3)
  --patient            begin each turn in a quiet moment of the machine
  --json               one line of JSON per result

  npm run bench:peers -- install     first, once
`;

/** A system in the comparison: a peer, or the engine on one kind of store. */
interface Contender {
  readonly name: string;
  readonly peer: Peer | undefined;
  readonly store: StoreKind | "own";
  readonly works: readonly ComparedWork[];
}

interface Options {
  readonly store: StoreKind;
  readonly server: string | undefined;
  readonly peers: readonly Peer[];
  readonly works: readonly ComparedWork[];
  readonly rounds: number;
  readonly patient: boolean;
  readonly json: boolean;
}

/** Everything seen of one contender under one workload. */
interface Seen {
  readonly byConcurrency: Map<number, Loaded[]>;
  best: number | undefined;
}

export async function comparePeers(argv: readonly string[]): Promise<void> {
  let options: Options;
  try {
    options = readOptions(argv);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${USAGE}`);
    process.exitCode = 2;
    return;
  }
  await using own =
    options.server === undefined && neededStores(options).has("postgres") ? await PostgresServer.start() : undefined;
  const server = options.server ?? own?.url;
  const contenders = contendersOf(options);
  const seen = new Map<string, Seen>();
  const opened = new Map<string, Opened>();
  const failures = new Map<string, string>();
  for (let round = 0; round < options.rounds; round++) {
    for (const contender of contenders) {
      if (failures.has(contender.name)) continue;
      if (options.patient) await quietMoment();
      note(`round ${round + 1} of ${options.rounds}: ${contender.name}`);
      try {
        opened.set(contender.name, await haveATurn(contender, server, seen));
      } catch (error) {
        failures.set(contender.name, String((error as Error).message).split("\n")[0]!);
        note(`${contender.name} is left out: ${(error as Error).message}`);
      }
    }
  }
  const comparisons = compare(contenders, seen, opened);
  if (options.json) for (const one of comparisons) process.stdout.write(`${jsonOf(one)}\n`);
  else {
    const version = server === undefined ? "" : `PostgreSQL ${await PostgresServer.at(server).version()}`;
    const about = options.server === undefined ? `${version}: ${SERVER_SETTINGS}` : version;
    process.stdout.write(tableOf(comparisons, failures, version === "" ? "" : about));
  }
  if (failures.size > 0) process.exitCode = 1;
}

/** One turn of a contender: opens it in an empty place and puts every workload on it. */
async function haveATurn(
  { name, peer, store, works }: Contender,
  server: string | undefined,
  seen: Map<string, Seen>,
): Promise<Opened> {
  const folder = scratchFolder();
  await using place = await StorePlace.make(store === "own" ? "memory" : store, server);
  try {
    await using driver = new PeerDriver(peer);
    const opened = await driver.open({ address: place.address, folder });
    for (const work of works) {
      const key = `${name} ${work.name}`;
      const known = seen.get(key) ?? { byConcurrency: new Map<number, Loaded[]>(), best: undefined };
      seen.set(key, known);
      for (const concurrency of known.best === undefined ? work.concurrencies : [known.best]) {
        const loaded = await driver.measure({ ...work.load, concurrency });
        known.byConcurrency.set(concurrency, [...(known.byConcurrency.get(concurrency) ?? []), loaded]);
      }
      known.best ??= bestOf(known.byConcurrency, work);
    }
    return opened;
  } finally {
    removeFolder(folder);
  }
}

function bestOf(byConcurrency: ReadonlyMap<number, readonly Loaded[]>, work: ComparedWork): number {
  const ranked = [...byConcurrency].sort(([, [a]], [, [b]]) => measuredIn(b!, work) - measuredIn(a!, work));
  return (work.unit === "ms" ? ranked.at(-1) : ranked[0])![0];
}

function measuredIn({ n, seconds, p50Ms }: Loaded, { unit, load }: ComparedWork): number {
  if (unit === "ms") return p50Ms;
  return (unit === "steps/s" ? n * load.steps : n) / seconds;
}

function compare(
  contenders: readonly Contender[],
  seen: ReadonlyMap<string, Seen>,
  opened: ReadonlyMap<string, Opened>,
): Comparison[] {
  const found: Comparison[] = [];
  for (const work of WORKS) {
    for (const { name, peer, store, works } of contenders) {
      const { best, byConcurrency } = seen.get(`${name} ${work.name}`) ?? {};
      if (!works.includes(work) || best === undefined) continue;
      const rounds = byConcurrency!.get(best)!;
      const value = median(rounds.map((loaded) => measuredIn(loaded, work)));
      const middle = rounds.find((loaded) => measuredIn(loaded, work) === value)!;
      const about = opened.get(name) ?? { version: "?", settings: "" };
      const common = { engine: name, isPeer: peer !== undefined, store, work, concurrency: best, value, middle };
      found.push({ ...common, ...about, rounds: rounds.length });
    }
  }
  return found.map((one) => ({ ...one, perdure: one.isPeer ? perdureBeside(one, found) : undefined }));
}

/** What the engine measured on the same kind of store. */
function perdureBeside({ store, work }: Comparison, found: readonly Comparison[]): number | undefined {
  const ours = found.filter((one) => !one.isPeer && one.work === work);
  return (ours.find((one) => one.store === store) ?? ours[0])?.value;
}

function contendersOf(options: Options): Contender[] {
  const engines = [...neededStores(options)].map((store): Contender => {
    const works = options.works;
    return { name: store === options.store ? "perdure" : `perdure-${store}`, peer: undefined, store, works };
  });
  const peers = options.peers.map((peer): Contender => {
    const works = options.works.filter(({ name }) => peer.works.includes(name));
    return { name: peer.name, peer, store: peer.store, works };
  });
  return [...engines, ...peers.filter(({ works }) => works.length > 0)];
}

/** The stores that the engine is measured on: the one asked for first. */
function neededStores({ store, peers }: Options): Set<StoreKind> {
  return new Set([store, ...peers.flatMap((peer) => (peer.store === "own" ? [] : [peer.store]))]);
}

function readOptions(argv: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      store: { type: "string", default: "postgres" },
      only: { type: "string" },
      work: { type: "string" },
      rounds: { type: "string", default: "3" },
      patient: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) throw new Error("the engine and other systems, side by side");
  const { store, server } = storeOf(values.store);
  oneOf("--store", store, ["postgres", "sqlite"]);
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new Error(`--rounds is a whole number from 1 on, not ${values.rounds}`);
  const fitting = PEERS.filter((peer) => store === "postgres" || peer.store !== "postgres");
  const wanted = chosen("--only", values.only, fitting);
  const peers = wanted.filter(isInstalled);
  for (const { name } of wanted.filter((peer) => !isInstalled(peer))) {
    note(`${name} is not installed: npm run bench:peers -- install`);
  }
  if (peers.length === 0) throw new Error("no peer is installed");
  const { patient, json } = values;
  return { store, server, peers, works: chosen("--work", values.work, WORKS), rounds, patient, json };
}

function chosen<T extends { readonly name: string }>(
  option: string,
  given: string | undefined,
  all: readonly T[],
): T[] {
  if (given === undefined) return [...all];
  const names = all.map(({ name }) => name);
  return given.split(",").map((name) => all.find((one) => one.name === oneOf(option, name, names))!);
}

function note(text: string): void {
  process.stderr.write(`${text}\n`);
}
