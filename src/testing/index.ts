/** What tests need: a clock that stands still, and the suite every store must pass. */
export { type StoreSubject, storeConformance, type TestApi } from "./store-conformance/index.ts";
export { VirtualClock } from "./virtual-clock.ts";
