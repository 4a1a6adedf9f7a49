import { describe, it } from "vitest";
import type { Store } from "../../src/store/index.ts";
import { storeConformance } from "../../src/testing/store-conformance/index.ts";
import { openAgeing, postgresForTests } from "./subject.ts";

const postgres = postgresForTests({ fsync: false, anywhere: true });
const addresses = new WeakMap<Store, string>();

async function open(address: string): Promise<Store> {
  const store = await openAgeing(postgres.url, address);
  addresses.set(store, address);
  return store;
}

storeConformance(
  "PostgreSQL store",
  { open: () => open(postgres.freshAddress()), reopen: (store) => open(addresses.get(store)!) },
  { describe, it },
);

storeConformance(
  "PostgreSQL store without named statements and LISTEN",
  { open: () => open(postgres.freshAddress("&prepare=false&listen=false")) },
  { describe, it },
);
