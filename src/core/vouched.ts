/**
 * Values that went through their schema where they were given, so that whoever takes them does not validate them again: a transform is
 * not to happen twice.
 */
import type { Payload } from "./payload.ts";

/** Such a value on its way inside of a process. */
export class Vouched {
  readonly value: unknown;
  constructor(value: unknown) {
    this.value = value;
  }
}

/** Such a value in a message: its text begins with a space, which means nothing to who reads it as JSON, older engines included. */
export function vouched(payload: Payload): Payload {
  return isVouched(payload) ? payload : ` ${payload}`;
}

/** Whether the value of a message is such a one. */
export function isVouched(payload: Payload): boolean {
  return payload.startsWith(" ");
}
