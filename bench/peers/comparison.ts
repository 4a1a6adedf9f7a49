/** A line of the comparison with peers, and its two forms. */
import { rounded } from "../measurement.ts";
import type { StoreKind } from "../store-place.ts";
import type { ComparedWork } from "./catalogue.ts";
import type { Loaded } from "./serve.ts";

export interface Comparison {
  readonly engine: string;
  readonly isPeer: boolean;
  readonly version: string;
  readonly settings: string;
  readonly store: StoreKind | "own";
  readonly work: ComparedWork;
  readonly concurrency: number;
  readonly rounds: number;
  readonly value: number;
  /** The round that the value is of. */
  readonly middle: Loaded;
  /** What the engine measured beside it. */
  readonly perdure?: number | undefined;
}

/** How many times as fast as the peer the engine is. */
function ratioOf({ perdure, value, work }: Comparison): number | undefined {
  if (perdure === undefined) return undefined;
  return work.unit === "ms" ? value / perdure : perdure / value;
}

export function jsonOf(one: Comparison): string {
  const { engine, version, store, work, concurrency, value, middle, settings } = one;
  const ratio = ratioOf(one);
  return JSON.stringify({
    engine,
    version,
    store,
    work: `${work.name} ${work.title}`,
    n: middle.n,
    concurrency,
    value: rounded(value),
    unit: work.unit,
    steps_s: Math.round((middle.n * work.load.steps) / middle.seconds),
    p50_ms: rounded(middle.p50Ms),
    p99_ms: rounded(middle.p99Ms),
    rss_mb: middle.rssMb,
    ...(ratio !== undefined && { perdure_is_times_as_fast: rounded(ratio) }),
    settings,
  });
}

/** Tables in Markdown: results by workload, then who was measured and how. */
export function tableOf(all: readonly Comparison[], failures: ReadonlyMap<string, string>, server: string): string {
  const results = all.map((one) => {
    const { engine, store, work, concurrency, value, middle } = one;
    const ratio = ratioOf(one);
    return [
      `${work.name} ${work.title}`,
      engine,
      store === "own" ? "its own" : store,
      `${rounded(value).toLocaleString("en-US")} ${work.unit}`,
      ratio === undefined ? "" : `${ratio >= 10 ? Math.round(ratio) : ratio.toFixed(1)}x`,
      String(concurrency),
      `${rounded(middle.p99Ms).toLocaleString("en-US")} ms`,
      `${middle.rssMb} MB`,
    ];
  });
  const systems = [...new Map(all.map((one) => [one.engine, one])).values()];
  const settings = systems.map(({ engine, version, settings: how, rounds }) => [engine, version, how, String(rounds)]);
  const parts = [
    table(["work", "system", "store", "measured", "Perdure is", "at once", "p99", "RSS"], results),
    table(["system", "version", "settings", "rounds"], settings),
    ...(server === "" ? [] : [server]),
    ...[...failures].map(([name, why]) => `${name} failed: ${why}`),
  ];
  return `${parts.join("\n\n")}\n`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((cell, i) => Math.max(cell.length, ...rows.map((row) => row[i]!.length)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}
