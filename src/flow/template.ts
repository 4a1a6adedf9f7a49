/**
 * JSON values with `${{ expressions }}` in their texts. A text that is nothing but one expression keeps its type, anything else
 * becomes text. `${{ secrets.NAME }}` is never evaluated here: it is handed on by name and put in at execution.
 */
import type { SecretInput } from "../workflow/context.ts";
import type { Activation } from "./cel-environment.ts";
import { compileExpression, type Expression, isExpressionError } from "./expression.ts";
import { type Piece, readSource, secretName, splitTemplate } from "./expression-source.ts";
import type { Json } from "./model.ts";
import type { Finding, Path } from "./problem.ts";

/** A template ready to be filled in. */
export interface Template {
  readonly node: TemplateNode;
  /** Where it names which step. */
  readonly references: readonly Reference[];
  /** Names of the secrets it needs. */
  readonly secrets: readonly string[];
}

/** A step that an expression reads. */
export interface Reference {
  readonly id: string;
  readonly path: Path;
  readonly excerpt: string;
}

/** What a template gave: the value, and the texts in it that miss their secrets. */
export interface Rendered {
  readonly value: unknown;
  readonly secretInputs: readonly SecretInput[];
}

type Part = string | Expression | { readonly secret: string };

type TemplateNode =
  | { readonly kind: "constant"; readonly value: Json }
  | { readonly kind: "expression"; readonly expression: Expression }
  | { readonly kind: "text"; readonly parts: readonly Part[] }
  | { readonly kind: "list"; readonly items: readonly TemplateNode[] }
  | { readonly kind: "object"; readonly entries: readonly (readonly [string, TemplateNode])[] };

interface Compilation {
  readonly allowSecrets: boolean;
  readonly findings: Finding[];
  readonly references: Reference[];
  readonly secrets: Set<string>;
}

/** Compiles a template; what is wrong with it is added to `findings`. */
export function compileTemplate(
  json: Json,
  options: { path: Path; allowSecrets: boolean; findings: Finding[] },
): Template {
  const compilation: Compilation = { ...options, references: [], secrets: new Set() };
  const node = compileNode(json, options.path, compilation);
  return { node, references: compilation.references, secrets: [...compilation.secrets] };
}

function compileNode(json: Json, path: Path, to: Compilation): TemplateNode {
  if (typeof json === "string")
    return json.includes("${{") ? compileText(json, path, to) : { kind: "constant", value: json };
  if (typeof json !== "object" || json === null) return { kind: "constant", value: json };
  if (Array.isArray(json)) {
    const items = json.map((item: Json, i) => compileNode(item, [...path, i], to));
    return items.every((item) => item.kind === "constant")
      ? { kind: "constant", value: json }
      : { kind: "list", items };
  }
  const entries = Object.entries(json as Readonly<Record<string, Json>>).map(([key, item]) => {
    if (key.includes("${{")) {
      to.findings.push({ code: "bad_expression", path: [...path, key], message: "keys cannot hold expressions" });
    }
    return [key, compileNode(item, [...path, key], to)] as const;
  });
  const constant = entries.every(([, item]) => item.kind === "constant");
  return constant ? { kind: "constant", value: json } : { kind: "object", entries };
}

function compileText(text: string, path: Path, to: Compilation): TemplateNode {
  const pieces = splitTemplate(text);
  if (pieces === undefined) {
    to.findings.push({ code: "bad_expression", path, message: `\${{ without its }} in ${JSON.stringify(text)}` });
    return { kind: "constant", value: text };
  }
  const parts: Part[] = [];
  for (const piece of pieces) {
    const part = compilePiece(piece, path, to);
    if (part !== undefined) parts.push(part);
  }
  const [only] = parts;
  if (parts.length === 1 && typeof only === "object" && "evaluate" in only)
    return { kind: "expression", expression: only };
  return { kind: "text", parts };
}

function compilePiece(piece: Piece, path: Path, to: Compilation): Part | undefined {
  if ("text" in piece) return piece.text;
  const secret = secretName(piece.expression);
  if (secret !== undefined && to.allowSecrets) {
    to.secrets.add(secret);
    return { secret };
  }
  return compilePlain(piece.expression, path, to);
}

function compilePlain(source: string, path: Path, to: Compilation): Expression | undefined {
  if (readSource(source).secrets) {
    to.findings.push(secretFinding(source, path, to.allowSecrets));
    return undefined;
  }
  const compiled = compileExpression(source);
  if (isExpressionError(compiled)) {
    to.findings.push({
      code: "bad_expression",
      path,
      message: `\${{ ${source} }}: ${compiled.message}`,
      hint: compiled.hint,
      excerpt: source,
    });
    return undefined;
  }
  for (const id of compiled.steps) to.references.push({ id, path, excerpt: source });
  return compiled;
}

/** What to say about an expression that names secrets where it must not. */
export function secretFinding(source: string, path: Path, inInput: boolean): Finding {
  return {
    code: "secret_misused",
    path,
    excerpt: source,
    message: inInput
      ? `\${{ ${source} }}: a secret must stand alone, as in \${{ secrets.NAME }}`
      : `\${{ ${source} }}: secrets can be used in the input of tasks and agents only`,
    hint: inInput ? "text around it is fine: Bearer ${{ secrets.NAME }}" : undefined,
  };
}

/** Fills a template in. @throws ExpressionFailure */
export function renderTemplate(template: Template, activation: Activation): Rendered {
  const secretInputs: SecretInput[] = [];
  const value = renderNode(template.node, activation, [], secretInputs);
  return { value, secretInputs };
}

function renderNode(
  node: TemplateNode,
  activation: Activation,
  path: readonly (string | number)[],
  secretInputs: SecretInput[],
): unknown {
  switch (node.kind) {
    case "constant":
      return node.value;
    case "expression":
      return node.expression.evaluate(activation);
    case "text":
      return renderText(node.parts, activation, path, secretInputs);
    case "list":
      return node.items.map((item, i) => renderNode(item, activation, [...path, i], secretInputs));
    case "object":
      return Object.fromEntries(
        node.entries.map(([key, item]) => [key, renderNode(item, activation, [...path, key], secretInputs)]),
      );
  }
}

function renderText(
  parts: readonly Part[],
  activation: Activation,
  path: readonly (string | number)[],
  secretInputs: SecretInput[],
): string {
  const filled = parts.map((part) => {
    if (typeof part === "string" || "secret" in part) return part;
    return textOf(part.evaluate(activation));
  });
  if (filled.some((part) => typeof part !== "string")) secretInputs.push({ path, parts: filled });
  return filled.map((part) => (typeof part === "string" ? part : `\${{ secrets.${part.secret} }}`)).join("");
}

/** A value inside a text: nothing for null, JSON for lists and mappings. */
function textOf(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (value instanceof Date) return value.toISOString();
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
