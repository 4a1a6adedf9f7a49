/** How values cross: types of results, and arrays as the server reads them fastest. */
import { types } from "pg";

const INT8 = 20;
const JSON_TYPES: ReadonlySet<number> = new Set([114, 3802]);
const INT8_ARRAY = 1016;

type Parser = (text: string) => unknown;
interface TypeParsers {
  getTypeParser(oid: number, format?: string): Parser;
}

/** For the store's own statements: 64-bit integers are numbers (ours are small enough), JSON stays text. */
export const STORE_TYPES: TypeParsers = {
  getTypeParser: (oid, format) => {
    if (oid === INT8) return Number;
    if (oid === INT8_ARRAY) return numbers;
    if (JSON_TYPES.has(oid)) return String;
    return types.getTypeParser(oid, format as "text") as Parser;
  },
};

/** For the user's statements: 64-bit integers are numbers where they fit. */
export const USER_TYPES: TypeParsers = {
  getTypeParser: (oid, format) => (oid === INT8 ? integer : (types.getTypeParser(oid, format as "text") as Parser)),
};

function integer(text: string): number | bigint {
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : BigInt(text);
}

function numbers(text: string): (number | null)[] {
  if (text === "{}") return [];
  return text
    .slice(1, -1)
    .split(",")
    .map((item) => (item === "NULL" ? null : Number(item)));
}

const HEADER = 20;
const ITEM = 4;
const OIDS = { bool: 16, int8: 20, int4: 23, text: 25 } as const;
const WORD = 2 ** 32;
const MAX_INT4 = 2 ** 31;

/** An array of numbers in the server's binary form. @throws RangeError for what is no integer */
export function int8s(values: readonly (number | null)[]): Buffer {
  const bytes = header(OIDS.int8, values.length, HEADER + values.length * (ITEM + 8));
  let at = HEADER;
  for (const value of values) {
    if (value === null) {
      at = bytes.writeInt32BE(-1, at);
      continue;
    }
    if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is not a whole number`);
    at = bytes.writeInt32BE(8, at);
    at = bytes.writeInt32BE(Math.floor(value / WORD), at);
    at = bytes.writeUInt32BE(value >>> 0, at);
  }
  return bytes.subarray(0, at);
}

/** @throws RangeError */
export function int4s(values: readonly (number | null)[]): Buffer {
  const bytes = header(OIDS.int4, values.length, HEADER + values.length * (ITEM + 4));
  let at = HEADER;
  for (const value of values) {
    if (value === null) {
      at = bytes.writeInt32BE(-1, at);
      continue;
    }
    if (!Number.isInteger(value) || value >= MAX_INT4 || value < -MAX_INT4)
      throw new RangeError(`${value} is not a whole number of 32 bits`);
    at = bytes.writeInt32BE(4, at);
    at = bytes.writeInt32BE(value, at);
  }
  return bytes.subarray(0, at);
}

export function bools(values: readonly boolean[]): Buffer {
  const bytes = header(OIDS.bool, values.length, HEADER + values.length * (ITEM + 1));
  let at = HEADER;
  for (const value of values) {
    at = bytes.writeInt32BE(1, at);
    at = bytes.writeUInt8(value ? 1 : 0, at);
  }
  return bytes;
}

/** Halves of surrogate pairs become U+FFFD on the way, as UTF-8 has none. @throws TypeError for what is no text */
export function texts(values: readonly (string | null)[]): Buffer {
  let size = HEADER;
  for (const value of values) {
    if (value !== null && typeof value !== "string") throw new TypeError("a text was expected");
    size += ITEM + (value === null ? 0 : Buffer.byteLength(value));
  }
  const bytes = header(OIDS.text, values.length, size);
  let at = HEADER;
  for (const value of values) {
    const length = value === null ? -1 : bytes.write(value, at + ITEM);
    bytes.writeInt32BE(length, at);
    at += ITEM + Math.max(0, length);
  }
  return bytes;
}

function header(oid: number, length: number, size: number): Buffer {
  const bytes = Buffer.allocUnsafe(size);
  bytes.writeInt32BE(1, 0);
  bytes.writeInt32BE(1, 4);
  bytes.writeInt32BE(oid, 8);
  bytes.writeInt32BE(length, 12);
  bytes.writeInt32BE(1, 16);
  return bytes;
}

/** JSON text for the server: halves of surrogate pairs, which it refuses even escaped, become U+FFFD. */
export function jsonText(value: unknown): string {
  const text = JSON.stringify(value);
  if (!/\\ud[89a-f]/i.test(text)) return text;
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === "string" ? inner.replace(/\p{Surrogate}/gu, "\ufffd") : inner,
  );
}
