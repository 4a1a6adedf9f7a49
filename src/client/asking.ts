/** Asking for starts and signals inside a transaction of the caller's: they happen when it has committed, or never. */
import { PerdureError } from "../core/errors.ts";
import type { PayloadCodec } from "../core/payload.ts";
import type { AskedSignal, AskedStart } from "../engine/admitter.ts";
import { prepareStart, type StartSpec } from "../engine/new-run.ts";
import type { IdPolicy } from "../engine/taken-id.ts";
import type { Admissions, LentTransaction, Ticket } from "../store/admissions.ts";
import type { Store } from "../store/store.ts";

/** What asking needs. */
export interface AskingHost {
  readonly store: Store;
  readonly codec: PayloadCodec | undefined;
  now(): number;
}

/**
 * Everything about the start that can be wrong is found out here.
 *
 * @throws PerdureError `INVALID_ARGUMENT`, `UNSERIALISABLE`, `PAYLOAD_TOO_LARGE`, `SECRET_LEAK`, `UNAVAILABLE`
 */
export async function askForStart(
  host: AskingHost,
  seal: (text: string) => string,
  spec: StartSpec,
  { reuse, conflict }: Pick<IdPolicy, "reuse" | "conflict">,
  transaction: LentTransaction,
): Promise<Ticket> {
  const admissions = admissionsOf(host.store);
  const { workflow, workflowId } = spec;
  const askedAt = host.now();
  const asked: AskedStart = { ...prepareStart(spec, host.codec, seal), reuse, conflict };
  const { name, version, definition } = workflow;
  if (definition !== undefined && version !== undefined)
    await host.store.putDefinition({ hash: version, name, body: definition, createdAt: askedAt });
  return admissions.ask(transaction, { kind: "start", workflowId, askedAt, body: JSON.stringify(asked) });
}

/** @throws PerdureError `INVALID_ARGUMENT`, `UNAVAILABLE` */
export async function askForSignal(
  { store, now }: AskingHost,
  to: { readonly workflowId: string } & ({ readonly run: number } | { readonly after: Ticket }),
  { name, data, key }: Pick<AskedSignal, "name" | "data" | "key">,
  transaction: LentTransaction,
): Promise<void> {
  const { workflowId } = to;
  const asked: AskedSignal = { name, data, key, ...("run" in to && { run: to.run }) };
  const request = { kind: "signal", workflowId, askedAt: now(), body: JSON.stringify(asked) } as const;
  await admissionsOf(store).ask(transaction, "after" in to ? { ...request, after: to.after } : request);
}

/** @throws PerdureError `INVALID_ARGUMENT` */
function admissionsOf({ kind, admissions }: Store): Admissions {
  if (admissions !== undefined) return admissions;
  throw new PerdureError(
    "INVALID_ARGUMENT",
    `the option transaction needs a PostgreSQL store, which shares the database with your tables; the ${kind} store does not. Write your rows in a step with wf.transaction instead, or start before your transaction with an idempotencyKey`,
  );
}
