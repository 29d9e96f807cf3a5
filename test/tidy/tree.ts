/**
 * The project's tree as the tidy rules see it: packages with their layers, and parsed source files.
 *
 * Generated code and the OpenStack lab are not ours to tidy. A tree can also be made from text, so that every rule
 * is tested on a tree that breaks it.
 */

import { readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { type ParseResult, parseSync } from "vite";

export interface Package {
  readonly name: string;
  /** Relative to the root: `packages/kv`. */
  readonly directory: string;
  readonly layer: number | undefined;
  readonly dependencies: Readonly<Record<string, string>>;
}

export interface Import {
  readonly specifier: string;
  readonly line: number;
}

/** A node of the syntax tree: ESTree with TypeScript's additions. */
export interface Syntax {
  readonly type: string;
  readonly start: number;
  readonly [key: string]: unknown;
}

export interface SourceFile {
  /** Relative to the root, with slashes. */
  readonly path: string;
  readonly text: string;
  readonly package: Package | undefined;
  /** A test, a test suite or anything under `test/`: not part of the product. */
  readonly isTest: boolean;
  readonly imports: readonly Import[];
  readonly comments: readonly { readonly text: string; readonly start: number }[];
  /** Every node in the order of the source. */
  readonly nodes: readonly Syntax[];
  lineOf(offset: number): number;
}

export interface Tree {
  readonly packages: readonly Package[];
  readonly files: readonly SourceFile[];
  /** Generated files: only what they import is of interest. */
  readonly generated: readonly SourceFile[];
  /** What the root's package.json gives to every test. */
  readonly testDependencies: readonly string[];
}

/** What a rule finds: `file:line: message`. */
export interface Violation {
  readonly path: string;
  readonly line: number;
  readonly message: string;
}

const ROOTS = ["packages", "services", "test", "scripts"];
const LEFT_OUT = [/(^|\/)node_modules\//, /^test\/lab\//];
const GENERATED = /^packages\/rpc\/src\/gen\//;

export function loadTree(root: string): Tree {
  const paths = ROOTS.flatMap((directory) => listFiles(root, directory)).sort();
  return makeTree(Object.fromEntries(["package.json", ...paths].map((path) => [path, readFileSync(join(root, path), "utf8")])));
}

function listFiles(root: string, directory: string): string[] {
  return readdirSync(join(root, directory)).flatMap((name) => {
    const path = `${directory}/${name}`;
    if (name.startsWith(".") || LEFT_OUT.some((pattern) => pattern.test(`${path}/`))) return [];
    if (statSync(join(root, path)).isDirectory()) return listFiles(root, path);
    return /\.(ts|mjs)$/.test(name) || name === "package.json" ? [path] : [];
  });
}

/** A tree from the text of its files by path; `package.json` files become packages. */
export function makeTree(texts: Readonly<Record<string, string>>): Tree {
  const manifests = Object.entries(texts).filter(([path]) => basename(path) === "package.json");
  const packages = manifests
    .filter(([path]) => path !== "package.json")
    .map(([path, text]): Package => {
      const manifest = JSON.parse(text) as { name: string; layer?: number; dependencies?: Record<string, string> };
      return { name: manifest.name, directory: dirname(path), layer: manifest.layer, dependencies: manifest.dependencies ?? {} };
    });
  const top = JSON.parse(texts["package.json"] ?? "{}") as { devDependencies?: Record<string, string> };
  const files = Object.entries(texts)
    .filter(([path]) => /\.(ts|mjs)$/.test(path) && !LEFT_OUT.some((pattern) => pattern.test(path)))
    .map(([path, text]) => parseFile(path, text, packages));
  return {
    packages,
    files: files.filter((file) => !GENERATED.test(file.path)),
    generated: files.filter((file) => GENERATED.test(file.path)),
    testDependencies: Object.keys(top.devDependencies ?? {}),
  };
}

function parseFile(path: string, text: string, packages: readonly Package[]): SourceFile {
  // A shebang line is no TypeScript; blanking it keeps every offset.
  const parsed = parseSync(
    path,
    text.replace(/^#!.*/, (line) => " ".repeat(line.length)),
  );
  const fault = parsed.errors[0];
  if (fault !== undefined) throw new Error(`${path} does not parse: ${fault.message}`);
  const lineStarts = [0, ...[...text.matchAll(/\n/g)].map((match) => match.index + 1)];
  const lineOf = (offset: number) => lineStarts.findLastIndex((start) => start <= offset) + 1;
  return {
    path,
    text,
    package: packages.find((candidate) => path.startsWith(`${candidate.directory}/`)),
    isTest: /\.test\.ts$|(^|\/)testing\/|^test\//.test(path),
    imports: importsOf(parsed, lineOf),
    comments: parsed.comments.map((comment) => ({ text: comment.value, start: comment.start })),
    nodes: collectNodes(parsed.program),
    lineOf,
  };
}

function importsOf(parsed: ParseResult, lineOf: (offset: number) => number): Import[] {
  const { staticImports, staticExports, dynamicImports } = parsed.module;
  const found = [
    ...staticImports.map((entry) => entry.moduleRequest),
    ...staticExports.flatMap((entry) => entry.entries.flatMap((one) => (one.moduleRequest ? [one.moduleRequest] : []))),
  ].map(({ value, start }) => ({ specifier: value, line: lineOf(start) }));
  const dynamic = dynamicImports.map(({ moduleRequest }) => ({
    specifier: parsed.program.body.length === 0 ? "" : literalAt(parsed, moduleRequest.start),
    line: lineOf(moduleRequest.start),
  }));
  return [...found, ...dynamic.filter((entry) => entry.specifier !== "")];
}

/** The text literal that begins at `start`; empty if what is there is computed. */
function literalAt(parsed: ParseResult, start: number): string {
  const node = collectNodes(parsed.program).find((candidate) => candidate.start === start && candidate.type === "Literal");
  return typeof node?.value === "string" ? node.value : "";
}

function collectNodes(root: unknown): Syntax[] {
  const nodes: Syntax[] = [];
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) {
      for (const item of value) visit(item);
      return;
    }
    if (typeof value !== "object" || value === null) return;
    if (typeof (value as Syntax).type === "string") nodes.push(value as Syntax);
    for (const member of Object.values(value)) visit(member);
  };
  visit(root);
  return nodes;
}
