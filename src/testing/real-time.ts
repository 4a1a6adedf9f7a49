/** The machine's own timers, as they were before any test library put its own in their place. */
const { setImmediate: immediate, setTimeout: timeout, clearTimeout: cancel } = globalThis;

/** Resolves in the next pass of the event loop. */
export function nextPass(): Promise<void> {
  return new Promise((resolve) => {
    immediate(resolve);
  });
}

/** Resolves after `ms` of real time, or once `early` does. */
export function realTime(ms: number, early?: Promise<unknown>): Promise<void> {
  return new Promise((resolve) => {
    const timer = timeout(resolve, ms);
    void early?.then(() => {
      cancel(timer);
      resolve();
    });
  });
}

/** What a dead engine is answered. A new one each time: what waits for it can be collected. */
export function never(): Promise<never> {
  return new Promise(() => {});
}
