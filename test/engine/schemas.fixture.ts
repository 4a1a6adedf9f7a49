/** Small schemas, written by hand, and values that do not fit them. */
import { expect } from "vitest";
import type { StandardSchemaV1 } from "../../src/core/schema.ts";

type Check<O> = (value: unknown) => O | { readonly issues: readonly { message: string; path?: PropertyKey[] }[] };

/** A schema of a function, which counts how often it is asked. */
export function schemaOf<I, O = I>(check: Check<O>): StandardSchemaV1<I, O> & { asked: number } {
  const schema = {
    asked: 0,
    "~standard": {
      version: 1 as const,
      vendor: "by hand",
      validate: (value: unknown) => {
        schema.asked++;
        const answer = check(value);
        const refused = typeof answer === "object" && answer !== null && "issues" in answer;
        return refused ? (answer as { issues: [] }) : { value: answer as O };
      },
    },
  };
  return schema;
}

/** The same, which answers later. */
export function asyncSchema<I, O>(schema: StandardSchemaV1<I, O>): StandardSchemaV1<I, O> {
  const { validate } = schema["~standard"];
  return { "~standard": { ...schema["~standard"], validate: async (value) => validate(value) } };
}

export interface OrderIn {
  readonly id: string;
  readonly amount?: number;
}
export interface Order {
  readonly id: string;
  readonly amount: number;
}

/** Fills in an amount of 1. */
export const orderSchema = (): StandardSchemaV1<OrderIn, Order> & { asked: number } =>
  schemaOf<OrderIn, Order>((value) => {
    const { id, amount = 1 } = (value ?? {}) as Partial<Order>;
    const issues = [
      ...(typeof id === "string" ? [] : [{ path: ["id"], message: `Expected string but received ${String(id)}` }]),
      ...(typeof amount === "number" ? [] : [{ path: ["amount"], message: `Expected number: Received "${amount}"` }]),
    ];
    return issues.length > 0 ? { issues } : { id: id as string, amount };
  });

/** Takes a text and gives its length: what went through it once does not go through it again. */
export const lengthSchema = (): StandardSchemaV1<string, number> & { asked: number } =>
  schemaOf<string, number>((value) =>
    typeof value === "string"
      ? value.length
      : { issues: [{ message: `Expected string but received ${String(value)}` }] },
  );

export const SECRET = "hunter2-hunter2";

/** Whatever it is, for the compiler an order. */
export const wrong = (value: unknown): OrderIn => value as OrderIn;

/** What a refusal looks like. */
export const refused = (text: RegExp): object => ({ code: "INVALID_ARGUMENT", message: expect.stringMatching(text) });
