/** One thing of the process that the guard changes, and puts back. */
export interface Patch {
  /** Makes the change, once. */
  apply(): void;
  /** Takes it back, if it is still there; what somebody else has built on top stays, and passes everything on. */
  restore(): void;
}

// biome-ignore lint/suspicious/noExplicitAny: functions of the process, of every kind
export type AnyFunction = (...args: any[]) => any;

/** The object that has a property as its own: the given one or one of its prototypes. */
export function holderOf(object: object, key: string): object | undefined {
  for (let holder: object | null = object; holder !== null; holder = Object.getPrototypeOf(holder) as object | null) {
    if (Object.hasOwn(holder, key)) return holder;
  }
  return undefined;
}
