/** A client of several engines: a closed loop of callers, spread evenly over the engines. `argv[2]` is a {@link ClientTask}. */
import { once } from "node:events";
import { connect } from "node:net";
import { percentile } from "../measurement.ts";
import { lineWriter, onLines } from "./line-protocol.ts";

export interface ClientTask {
  readonly ports: readonly number[];
  readonly steps: number;
  readonly callers: number;
  readonly warmUpSeconds: number;
  readonly seconds: number;
}

/** What a client saw in the part that counts. */
export interface ClientReport {
  readonly runs: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuMs: number;
}

type Ask = () => Promise<void>;

const task = JSON.parse(process.argv[2]!) as ClientTask;
const engines = await Promise.all(task.ports.map(connectTo));
process.send!("ready");
await once(process, "message");
const report = await load();
process.send!(report, () => process.exit(0));

async function connectTo(port: number): Promise<Ask> {
  const socket = connect(port, "127.0.0.1").setNoDelay();
  await once(socket, "connect");
  const waiting = new Map<string, () => void>();
  const write = lineWriter(socket);
  onLines(socket, (number) => {
    waiting.get(number)?.();
    waiting.delete(number);
  });
  let last = 0;
  return () =>
    new Promise((resolve) => {
      const number = String(++last);
      waiting.set(number, resolve);
      write(`${number} ${task.steps}`);
    });
}

async function load(): Promise<ClientReport> {
  const latencies: number[] = [];
  const from = performance.now() + task.warmUpSeconds * 1000;
  const until = from + task.seconds * 1000;
  const before = process.cpuUsage();
  const caller = async (_: unknown, index: number): Promise<void> => {
    const ask = engines[index % engines.length]!;
    for (let now = performance.now(); now < until; ) {
      const began = now;
      await ask();
      now = performance.now();
      if (now >= from && now < until) latencies.push(now - began);
    }
  };
  await Promise.all(Array.from({ length: task.callers }, caller));
  const { user, system } = process.cpuUsage(before);
  const share = task.seconds / (task.seconds + task.warmUpSeconds);
  return {
    runs: latencies.length,
    seconds: task.seconds,
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
    cpuMs: ((user + system) / 1000) * share,
  };
}
