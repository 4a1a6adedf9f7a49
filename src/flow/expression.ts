/** One compiled CEL expression: checked once, evaluated many times. */
import { TypeError as CelTypeError, EvaluationError, Optional, ParseError } from "@marcbachmann/cel-js";
import { didYouMean } from "../core/suggestion.ts";
import { type Activation, celEnvironment, VARIABLES } from "./cel-environment.ts";
import { type ExpressionSource, MAX_EXPRESSION, readSource } from "./expression-source.ts";

/** What is wrong with an expression. */
export interface ExpressionError {
  readonly message: string;
  readonly hint?: string | undefined;
}

/** An expression that can be evaluated. */
export interface Expression {
  readonly source: string;
  /** Ids of the steps it reads. */
  readonly steps: readonly string[];
  /** The static type, `dyn` when unknown. */
  readonly type: string;
  /**
   * Its value as plain data.
   * @throws ExpressionFailure
   */
  evaluate(activation: Activation): unknown;
}

/** An expression could not be evaluated: a key is missing, a type does not fit. */
export class ExpressionFailure extends Error {
  override readonly name: string = "ExpressionError";
  readonly code: string = "BAD_EXPRESSION";
  readonly expression: string;

  constructor(expression: string, message: string, cause?: unknown) {
    super(`\${{ ${expression} }}: ${message}`, cause === undefined ? undefined : { cause });
    this.expression = expression;
  }
}

/** Compiles an expression, or says what is wrong with it. */
export function compileExpression(text: string): Expression | ExpressionError {
  const source = text.trim();
  if (source === "") return { message: "the expression is empty" };
  if (source.length > MAX_EXPRESSION) {
    return { message: `the expression has ${source.length} characters, allowed are ${MAX_EXPRESSION}` };
  }
  const names = readSource(source);
  if (names.bareSteps)
    return { message: "steps can be used as steps.<id> only", hint: "name the step: steps.<id>.output" };
  try {
    return checked(source, names);
  } catch (error) {
    return explain(error, source);
  }
}

/** Whether {@link compileExpression} found something wrong. */
export function isExpressionError(result: Expression | ExpressionError): result is ExpressionError {
  return "message" in result;
}

function checked(source: string, names: ExpressionSource): Expression | ExpressionError {
  const parsed = celEnvironment().parse(names.cel);
  const check = parsed.check();
  if (!check.valid) return explain(check.error, source);
  const path = /^[\w.]+$/.test(names.cel) && !/^\d/.test(names.cel);
  return {
    source,
    steps: names.steps,
    type: check.type ?? "dyn",
    evaluate(activation) {
      try {
        const value: unknown = parsed({ ...activation });
        return path ? (value ?? null) : plain(value);
      } catch (error) {
        throw new ExpressionFailure(source, explain(error, source).message);
      }
    },
  };
}

function explain(error: unknown, source: string): ExpressionError {
  if (error instanceof ParseError || error instanceof CelTypeError || error instanceof EvaluationError) {
    const hint = error instanceof ParseError ? syntaxHint(source) : hintFor(error.code, error.summary, source);
    return { message: lower(error.summary), hint };
  }
  return { message: error instanceof Error ? error.message : String(error) };
}

function hintFor(code: string, summary: string, source: string): string | undefined {
  if (code === "unknown_variable") {
    const name = summary.replace(/^.*: /, "");
    if (new RegExp(`[\\w]-${name}\\b`).test(source)) return `write ["…-${name}"] for a key with a hyphen`;
    return didYouMean(name, VARIABLES) ?? `known are ${VARIABLES.join(", ")}`;
  }
  if (code === "incompatible_ternary_branches") return "wrap one of the two in dyn( )";
  return undefined;
}

function syntaxHint(source: string): string | undefined {
  if (/[^=!<>]=[^=]/.test(source)) return "compare with ==";
  if (/\b(and|or|not)\b/.test(source)) return "write &&, || and !";
  return undefined;
}

function lower(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

/** Turns CEL's own values into plain data. What needs no change is returned as it is. */
function plain(value: unknown): unknown {
  switch (typeof value) {
    case "bigint":
      return wholeNumber(value);
    case "number":
      return value === 0 ? 0 : value;
    case "undefined":
      return null;
    case "object":
      return value === null ? null : plainObject(value);
    default:
      return value;
  }
}

function wholeNumber(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER) || value < BigInt(Number.MIN_SAFE_INTEGER)) {
    throw new RangeError(`${value} is too large for a JSON number`);
  }
  return Number(value);
}

function plainObject(value: object): unknown {
  if (Array.isArray(value)) return mapped(value, value.map(plain));
  const proto: unknown = Object.getPrototypeOf(value);
  if (proto === Object.prototype || proto === null) {
    const entries = Object.entries(value);
    const values = entries.map(([, item]) => plain(item));
    return entries.every(([, item], i) => Object.is(item, values[i]))
      ? value
      : Object.fromEntries(entries.map(([key], i) => [key, values[i]]));
  }
  if (value instanceof Optional) return plain(value.orValue(null));
  if (value instanceof Date || value instanceof Uint8Array || value instanceof Map || value instanceof Set)
    return value;
  return celObject(value);
}

/** CEL's own classes: unsigned integers carry a bigint, durations print as `3600s`. */
function celObject(value: object): unknown {
  const inner: unknown = value.valueOf();
  if (typeof inner === "bigint") return wholeNumber(inner);
  if (typeof inner === "number") return String(value);
  throw new Error("the result is no data");
}

function mapped(before: readonly unknown[], after: unknown[]): readonly unknown[] {
  return after.every((item, i) => Object.is(item, before[i])) ? before : after;
}
