import { randomBytes } from "node:crypto";

/** A new identity for a database: eight random characters of [0-9a-z]. */
export function randomStoreId(): string {
  return Array.from(randomBytes(8), (byte) => (byte % 36).toString(36)).join("");
}
