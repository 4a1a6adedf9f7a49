/** The command line. */
import { parseArgs } from "node:util";
import { type Durability, STORES, type StoreKind } from "./store-place.ts";
import { WORKLOADS } from "./workloads/index.ts";
import type { Workload } from "./workloads/workload.ts";

export const USAGE: string = `usage: npm run bench -- [${WORKLOADS.map(({ name }) => name).join("] [")}] [options]

  --store sqlite|memory|postgres|postgres://USER@HOST/DATABASE
                               where runs are kept (sqlite); a PostgreSQL server is brought along unless one is named
  --durability full|relaxed    whether a commit waits for the disk (full)
  --concurrency N              W2 and W4: just this many runs at a time, instead of the best of several
  --rounds N                   how often each workload is measured; medians count
  --patient                    begin each round in a quiet moment of the machine
  --quick                      one short round: a look, not a measurement
  --json                       one line of JSON per result
  --check                      exit code 1 if a target is missed by more than a quarter
  --no-bare                    do not measure the bare design beside it
  --profile [--out FOLDER]     CPU profiles of one round, and the functions on top (.perdure/profiles)

       npm run bench -- scaling --help       engines side by side on one database
       npm run bench -- peers --help         other systems in the same minutes on the same database
`;

export interface Arguments {
  readonly workloads: readonly Workload[];
  readonly store: StoreKind;
  /** Address of a PostgreSQL server that is there. */
  readonly server: string | undefined;
  readonly durability: Durability;
  readonly concurrency: number | undefined;
  readonly rounds: number | undefined;
  readonly patient: boolean;
  readonly quick: boolean;
  readonly json: boolean;
  readonly check: boolean;
  readonly bare: boolean;
  readonly profile: boolean;
  readonly out: string;
}

/** Reads the command line. @throws Error that says what is wrong with it. */
export function readArguments(argv: readonly string[]): Arguments {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      store: { type: "string", default: "sqlite" },
      durability: { type: "string", default: "full" },
      concurrency: { type: "string" },
      rounds: { type: "string" },
      patient: { type: "boolean", default: false },
      quick: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      check: { type: "boolean", default: false },
      "no-bare": { type: "boolean", default: false },
      profile: { type: "boolean", default: false },
      out: { type: "string", default: ".perdure/profiles" },
    },
  });
  const { store, server } = storeOf(values.store);
  return {
    workloads: named(positionals, store),
    store,
    server,
    durability: oneOf("--durability", values.durability, ["full", "relaxed"]),
    concurrency: count("--concurrency", values.concurrency),
    rounds: count("--rounds", values.rounds),
    patient: values.patient,
    quick: values.quick,
    json: values.json,
    check: values.check,
    bare: !values["no-bare"],
    profile: values.profile,
    out: values.out,
  };
}

/** What `--store` means. @throws Error for what it does not take. */
export function storeOf(given: string): { readonly store: StoreKind; readonly server: string | undefined } {
  if (/^postgres(ql)?:\/\//.test(given)) return { store: "postgres", server: given };
  return { store: oneOf("--store", given, STORES), server: undefined };
}

function named(names: readonly string[], store: StoreKind): Workload[] {
  if (names.length === 0) return WORKLOADS.filter(({ stores }) => stores.includes(store));
  return names.map((given) => {
    const workload = WORKLOADS.find(({ name }) => name.toLowerCase() === given.toLowerCase());
    if (workload === undefined) throw new Error(`there is no workload ${JSON.stringify(given)}`);
    if (!workload.stores.includes(store)) throw new Error(`${workload.name} cannot be measured on store ${store}`);
    return workload;
  });
}

export function oneOf<T extends string>(option: string, given: string, allowed: readonly T[]): T {
  const value = allowed.find((one) => one === given);
  if (value === undefined) throw new Error(`${option} is ${allowed.join(" or ")}, not ${JSON.stringify(given)}`);
  return value;
}

export function count(option: string, given: string | undefined): number | undefined {
  if (given === undefined) return undefined;
  const value = Number(given);
  if (!Number.isInteger(value) || value < 1) throw new Error(`${option} is a whole number from 1 on, not ${given}`);
  return value;
}
