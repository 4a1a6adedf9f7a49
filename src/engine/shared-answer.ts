/** The answer to a callback: a signal, which is taken once, for all who wait. */

/** There is one answer for all who wait, also for those who ask when it is there; only the first of them gets the signal. */
export function sharedAnswer<T>(wait: () => Promise<T | undefined>): () => Promise<T | undefined> {
  let tell: (answer: T) => void = () => {};
  let known = false;
  const told = new Promise<T>((resolve) => {
    tell = resolve;
  });
  return () => {
    if (known) return told;
    const mine = wait();
    mine.then(
      (answer) => {
        if (answer === undefined) return;
        known = true;
        tell(answer);
      },
      () => {},
    );
    return Promise.race([mine, told]);
  };
}
