/** Randomness that replays: every value derives from text that is the same live and on replay. */
import { digest } from "./digest.ts";

/** A number in [0, 1) that depends on `seed` only. */
export function unitInterval(seed: string): number {
  return Number.parseInt(digest(seed, "unit"), 32) / 2 ** 50;
}

/** A version-4-shaped UUID that depends on `seed` only. */
export function uuidFrom(seed: string): string {
  const hex = [0, 1, 2].map((part) =>
    Number.parseInt(digest(seed, `uuid${part}`), 36)
      .toString(16)
      .padStart(14, "0"),
  );
  const digits = hex.map((word) => word.slice(1)).join("");
  const variant = "89ab"[Number.parseInt(digits[16]!, 16) & 3]!;
  return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-4${digits.slice(13, 16)}-${variant}${digits.slice(17, 20)}-${digits.slice(20, 32)}`;
}
