/**
 * Reads a configuration file: YAML, then the environment, then the schema.
 *
 * Order: defaults of the schema < file < environment. A setting `nats.tokenFile` is overridden by `<prefix>NATS_TOKEN_FILE`; only
 * single values and lists of words (with commas) can be. Everything wrong is CONFIG_INVALID and says where (file and line, or variable),
 * which field, and what would be right. The result is frozen.
 */

import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { CodedError } from "@permafrost/std";
import { LineCounter, parseDocument } from "yaml";
import { z } from "zod";
import { withBaseDirectory } from "./config-schema.ts";
import type { Environment } from "./environment.ts";

export interface LoadConfigOptions {
  readonly env: Environment;
  /** Such as `PERMAFROST_WORKER_`. */
  readonly envPrefix: string;
}

interface Problem {
  /** `file:line` or the name of a variable. */
  readonly where: string;
  readonly field: string;
  readonly message: string;
  readonly hint: string;
}

const PROBLEMS_SHOWN_MAX = 10;
const CONFIG_BYTES_MAX = 1024 * 1024;

/** The validated configuration in `file`. `schema` is a strict object. Throws CONFIG_INVALID. */
export function loadConfig<Schema extends z.ZodObject>(
  schema: Schema,
  file: string,
  options: LoadConfigOptions,
): Readonly<z.output<Schema>> {
  const path = resolve(file);
  const document = readYaml(path);
  const overrides = readOverrides(schema, options);
  const value = merge(document.value, overrides.value);
  const result = withBaseDirectory(dirname(path), () => schema.strict().safeParse(value));
  if (result.success) return deepFreeze(result.data as z.output<Schema>);
  throw invalid(
    path,
    result.error.issues.flatMap((issue) =>
      explain(schema, issue).map(({ fieldPath, message, hint }): Problem => {
        const field = fieldPath.join(".");
        return { where: overrides.names.get(field) ?? `${path}:${document.lineOf(fieldPath)}`, field, message, hint };
      }),
    ),
  );
}

function invalid(path: string, problems: readonly Problem[]): CodedError {
  const shown = problems
    .slice(0, PROBLEMS_SHOWN_MAX)
    .map(({ where, field, message }) => `${where}: ${field ? `${field}: ` : ""}${message}`);
  if (problems.length > shown.length) shown.push(`and ${problems.length - shown.length} more`);
  const first = problems[0];
  return new CodedError("CONFIG_INVALID", shown.join("\n"), {
    facts: { file: path, where: first?.where, field: first?.field, problems: problems.length },
    hint: first?.hint ?? "Correct the file.",
  });
}

function readYaml(path: string) {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? "unknown";
    const error = invalid(path, [
      { where: path, field: "", message: `cannot be read (${reason})`, hint: "Check the path and that this user may read it." },
    ]);
    throw new CodedError(error.code, error.message, { facts: error.facts, hint: error.hint ?? "", cause });
  }
  if (text.length > CONFIG_BYTES_MAX) {
    throw invalid(path, [{ where: path, field: "", message: "is larger than 1 MiB", hint: "Name the configuration file." }]);
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  if (document.errors.length > 0) {
    throw invalid(
      path,
      document.errors.map((error) => ({
        where: `${path}:${lines.linePos(error.pos[0]).line}`,
        field: "",
        message: error.message,
        hint: "Correct the YAML there; indentation and missing quotes are usual causes.",
      })),
    );
  }
  const value: unknown = document.toJS() ?? {};
  const lineOf = (fieldPath: readonly PropertyKey[]): number => {
    // A setting that is missing has no place of its own; its nearest parent has.
    for (let length = fieldPath.length; length > 0; length--) {
      const node = document.getIn(fieldPath.slice(0, length), true) as { range?: [number, number, number] } | undefined;
      if (node?.range) return lines.linePos(node.range[0]).line;
    }
    return 1;
  };
  return { value, lineOf };
}

/** What an issue of Zod means for the reader; one entry per unknown key. */
function explain(schema: z.ZodType, issue: z.core.$ZodIssue): { fieldPath: PropertyKey[]; message: string; hint: string }[] {
  if (issue.code === "unrecognized_keys") {
    const shape = shapeAt(schema, issue.path);
    const known = shape === undefined ? "" : `Known here: ${Object.keys(shape).join(", ")}.`;
    return issue.keys.map((key) => ({
      fieldPath: [...issue.path, key],
      message: "is not a setting",
      hint: known || "Remove it.",
    }));
  }
  const isMissing = issue.code === "invalid_type" && issue.input === undefined && /undefined/.test(issue.message);
  const message = isMissing ? "is missing" : issue.message;
  return [{ fieldPath: [...issue.path], message, hint: `Correct ${issue.path.join(".") || "the file"} and start again.` }];
}

/** A schema without optional, default, refinement and transformation around it. */
function unwrap(schema: unknown): unknown {
  let inner = schema;
  for (;;) {
    if (inner instanceof z.ZodOptional || inner instanceof z.ZodExactOptional || inner instanceof z.ZodDefault)
      inner = inner.unwrap();
    else if (inner instanceof z.ZodPipe) inner = inner.in;
    else return inner;
  }
}

function shapeAt(schema: unknown, path: readonly PropertyKey[]): Record<string, unknown> | undefined {
  const inner = unwrap(schema);
  const [first, ...rest] = path;
  if (inner instanceof z.ZodArray && first !== undefined) return shapeAt(inner.element, rest);
  if (!(inner instanceof z.ZodObject)) return undefined;
  return first === undefined ? inner.shape : shapeAt(inner.shape[String(first)], rest);
}

type Tree = { [key: string]: unknown };

/** The settings that the environment sets, and the variable of each. */
function readOverrides(schema: z.ZodType, { env, envPrefix }: LoadConfigOptions): { value: Tree; names: Map<string, string> } {
  const value: Tree = {};
  const names = new Map<string, string>();
  const walk = (at: unknown, path: readonly string[]): void => {
    const inner = unwrap(at);
    if (inner instanceof z.ZodObject) {
      for (const [key, member] of Object.entries(inner.shape)) walk(member, [...path, key]);
      return;
    }
    const name = envPrefix + path.map((part) => part.replace(/[A-Z]/g, "_$&").toUpperCase()).join("_");
    const text = env[name];
    if (text === undefined || text === "") return;
    const parsed = parseVariable(inner, text);
    if (parsed === undefined) return;
    names.set(path.join("."), name);
    let parent = value;
    for (const part of path.slice(0, -1)) {
      parent[part] ??= {};
      parent = parent[part] as Tree;
    }
    parent[path.at(-1) ?? ""] = parsed;
  };
  walk(schema, []);
  return { value, names };
}

/** Undefined for settings that one variable cannot hold. What is not a number stays text, for the schema to refuse. */
function parseVariable(schema: unknown, text: string): unknown {
  if (schema instanceof z.ZodNumber) return Number.isFinite(Number(text)) ? Number(text) : text;
  if (schema instanceof z.ZodBoolean) return text === "true" ? true : text === "false" ? false : text;
  if (schema instanceof z.ZodArray) {
    return unwrap(schema.element) instanceof z.ZodString ? text.split(",").map((word) => word.trim()) : undefined;
  }
  return text;
}

function isTree(value: unknown): value is Tree {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function merge(base: unknown, over: Tree): unknown {
  if (!isTree(base)) return Object.keys(over).length === 0 ? base : over;
  const merged: Tree = { ...base };
  for (const [key, value] of Object.entries(over)) merged[key] = isTree(value) ? merge(merged[key], value) : value;
  return merged;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    for (const member of Object.values(value)) deepFreeze(member);
    Object.freeze(value);
  }
  return value;
}
