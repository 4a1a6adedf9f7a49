/** One text for one value: keys sorted, no spaces. What definitions are hashed and compared by. */
import { createHash } from "node:crypto";

/** The same value with the keys of every object in code-unit order. */
export function sortedKeys<T>(value: T): T {
  return JSON.parse(canonicalJson(value)) as T;
}

/** JSON text with the keys of every object in code-unit order. Absent and `undefined` are the same. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (typeof inner !== "object" || inner === null || Array.isArray(inner)) return inner;
    const sorted: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
    for (const key of Object.keys(inner).sort()) sorted[key] = (inner as Record<string, unknown>)[key];
    return sorted;
  });
}

/** The version of a definition: the first 16 hexadecimal digits of the SHA-256 of its text. */
export function contentHash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}
