import type { Store } from "../../store/store.ts";

/** The store under test. */
export interface StoreSubject {
  /** Opens a store with nothing in it. */
  open(): Promise<Store>;
  /**
   * Opens the database of `store` once more, beside it or after it was closed. Left out by stores that cannot: the tests of
   * what survives are skipped then.
   */
  reopen?(store: Store): Promise<Store>;
}

/** The part of a test runner the suite needs: vitest, node:test and jest all have it. */
export interface TestApi {
  describe(name: string, body: () => void): unknown;
  it(name: string, body: () => Promise<void>): unknown;
}

/** One topic of the suite. */
export type Topic = (subject: StoreSubject, api: TestApi) => void;
