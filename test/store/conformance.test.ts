import { describe, it } from "vitest";
import { createMemoryStore, openSqliteStore, type SqliteStore } from "../../src/store/index.ts";
import { storeConformance } from "../../src/testing/store-conformance/index.ts";
import { scratchFile } from "./scratch.ts";

storeConformance(
  "memory store",
  { open: async () => createMemoryStore(), reopen: async (store) => store },
  { describe, it },
);

storeConformance("SQLite store in memory", { open: () => openSqliteStore({ path: ":memory:" }) }, { describe, it });

storeConformance(
  "SQLite store in a file",
  {
    open: () => openSqliteStore({ path: scratchFile() }),
    reopen: (store) => openSqliteStore({ path: (store as SqliteStore).path }),
  },
  { describe, it },
);
