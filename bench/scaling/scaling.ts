/**
 * `npm run bench -- scaling`: engines as processes on one database, under the load of clients in processes of their own. Numbers of engines
 * take turns round by round; medians count.
 */
import { createRequire } from "node:module";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { storeOf } from "../arguments.ts";
import { rounded } from "../measurement.ts";
import { PostgresServer } from "../postgres-server.ts";
import { quietMoment } from "../quiet-moment.ts";
import { Fleet, type FleetReport, type IdleReport } from "./fleet.ts";

const USAGE = `usage: npm run bench -- scaling [options]

  --engines 1,2,4      how many engines
  --store postgres|postgres://USER@HOST/DATABASE   a server is brought along unless one is named
  --clients N          client processes (2)
  --callers N          runs at a time, over all clients and engines (600)
  --seconds N          of load that count, per workload (4)
  --rounds N           medians of so many rounds (3)
  --patient            begin each round in a quiet moment of the machine
  --json               one line of JSON per result
`;

const WORKS = [
  { name: "W2", title: "10-step runs", steps: 10, unit: "steps/s" },
  { name: "W4", title: "one-step runs", steps: 1, unit: "runs/s" },
] as const;

interface Options {
  readonly server: string | undefined;
  readonly engines: readonly number[];
  readonly clients: number;
  readonly callers: number;
  readonly seconds: number;
  readonly rounds: number;
  readonly patient: boolean;
  readonly json: boolean;
}

interface Round {
  readonly loads: readonly FleetReport[];
  readonly idle: IdleReport;
}

export async function measureScaling(argv: readonly string[]): Promise<void> {
  let options: Options;
  try {
    options = readOptions(argv);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${USAGE}`);
    process.exitCode = 2;
    return;
  }
  await using own = options.server === undefined ? await PostgresServer.start() : undefined;
  const server = own ?? PostgresServer.at(options.server!);
  const seen = new Map<number, Round[]>(options.engines.map((count) => [count, []]));
  for (let round = 0; round < options.rounds; round++) {
    for (const count of options.engines) {
      if (options.patient) await quietMoment();
      process.stderr.write(`round ${round + 1} of ${options.rounds}: ${count} engines\n`);
      seen.get(count)!.push(await measure(server, count, options));
    }
  }
  print(seen, options);
}

async function measure(server: PostgresServer, count: number, options: Options): Promise<Round> {
  const address = await server.createDatabase();
  try {
    await using fleet = await Fleet.start(address, count);
    const loads: FleetReport[] = [];
    for (const { steps } of WORKS) loads.push(await fleet.load({ ...options, steps }));
    return { loads, idle: await fleet.idle(3) };
  } finally {
    await server.dropDatabase(address);
  }
}

function print(seen: ReadonlyMap<number, readonly Round[]>, options: Options): void {
  const processors = cpus().length;
  if (!options.json) {
    process.stdout.write(
      `${processors} processors for engines, clients and, if it is on this machine, the database; ${options.callers} runs at a time\n`,
    );
  }
  for (const [index, work] of WORKS.entries()) {
    let first: number | undefined;
    for (const [engines, rounds] of seen) {
      const report = middle(rounds.map(({ loads }) => loads[index]!));
      const value = report.runsPerSecond * (work.unit === "steps/s" ? work.steps : 1);
      first ??= value;
      const line = lineOf(work, engines, value, report);
      process.stdout.write(
        options.json ? `${JSON.stringify({ ...line, callers: options.callers })}\n` : textOf(line, first),
      );
    }
  }
  for (const [engines, rounds] of seen) {
    const idle = rounds.at(-1)!.idle;
    const each = { connections: idle.connections / engines, transactions: idle.transactionsPerSecond / engines };
    if (options.json)
      process.stdout.write(`${JSON.stringify({ engine: "perdure", work: "idle", engines, ...idle })}\n`);
    else {
      const memory =
        idle.mbPerConnection === undefined ? "" : `, ${rounded(idle.mbPerConnection)} MB of the server each`;
      process.stdout.write(
        `idle  ${engines} engines: ${rounded(each.connections)} connections an engine${memory}, ${rounded(each.transactions)} transactions/s an engine\n`,
      );
    }
  }
}

const { version } = createRequire(import.meta.url)("perdure/package.json") as { version: string };

interface Line {
  readonly engine: string;
  readonly version: string;
  readonly store: string;
  readonly work: string;
  readonly engines: number;
  readonly value: number;
  readonly unit: string;
  readonly steps_s: number;
  readonly p50_ms: number;
  readonly p99_ms: number;
  readonly rss_mb: number;
  readonly engine_processors: number;
  readonly client_processors: number;
  readonly steps_per_transaction: number;
}

function lineOf(work: (typeof WORKS)[number], engines: number, value: number, report: FleetReport): Line {
  const stepsPerSecond = report.runsPerSecond * work.steps;
  return {
    engine: "perdure",
    version,
    store: "postgres",
    work: `${work.name} ${work.title}`,
    engines,
    value: rounded(value),
    unit: work.unit,
    steps_s: Math.round(stepsPerSecond),
    p50_ms: rounded(report.p50Ms),
    p99_ms: rounded(report.p99Ms),
    rss_mb: report.rssMb,
    engine_processors: rounded(report.engineProcessors),
    client_processors: rounded(report.clientProcessors),
    steps_per_transaction: rounded(stepsPerSecond / Math.max(1, report.transactionsPerSecond)),
  };
}

function textOf(line: Line, first: number): string {
  const { work, engines, value, unit, p50_ms, p99_ms, engine_processors, client_processors, rss_mb } = line;
  const cells = [
    work.padEnd(18),
    `${engines} engines`.padStart(10),
    `${value.toLocaleString("en-US")} ${unit}`.padStart(16),
    `${(value / first).toFixed(2)}x`.padStart(6),
    `p50 ${p50_ms} ms, p99 ${p99_ms} ms`.padStart(28),
    `processors: engines ${engine_processors}, clients ${client_processors}`.padStart(40),
    `${line.steps_per_transaction} steps a transaction`.padStart(28),
    `${rss_mb} MB`.padStart(8),
  ];
  return `${cells.join(" ")}\n`;
}

/** The round in the middle by its speed. */
function middle(reports: readonly FleetReport[]): FleetReport {
  return [...reports].sort((a, b) => a.runsPerSecond - b.runsPerSecond)[reports.length >> 1]!;
}

function readOptions(argv: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      engines: { type: "string", default: "1,2,4" },
      store: { type: "string", default: "postgres" },
      clients: { type: "string", default: "2" },
      callers: { type: "string", default: "600" },
      seconds: { type: "string", default: "4" },
      rounds: { type: "string", default: "3" },
      patient: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) throw new Error("engines side by side on one database");
  const { store, server } = storeOf(values.store);
  if (store !== "postgres") throw new Error(`several engines are measured on postgres, not on ${store}`);
  return {
    server,
    engines: values.engines.split(",").map((text) => whole("--engines", text)),
    clients: whole("--clients", values.clients),
    callers: whole("--callers", values.callers),
    seconds: whole("--seconds", values.seconds),
    rounds: whole("--rounds", values.rounds),
    patient: values.patient,
    json: values.json,
  };
}

function whole(option: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`${option} takes whole numbers from 1 on, not ${text}`);
  return value;
}
