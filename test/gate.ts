/** Something that work waits at, or that tells that it has come there: closed until it is opened. */
export interface Gate {
  /** Resolves when the gate is open. */
  readonly passed: Promise<void>;
  open(): void;
}

export function gate(): Gate {
  let open = (): void => {};
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { passed, open: () => open() };
}
