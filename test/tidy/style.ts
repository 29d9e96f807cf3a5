/** Rules about single files: size, names, headers, exports, and what must not be left in them. */

import type { SourceFile, Syntax, Tree, Violation } from "./tree.ts";

const LINES_MAX = 400;
/** Files that may be longer, each with its reason. */
const LONG_FILES: Readonly<Record<string, string>> = {};
const EMPTY_NAMES = /^(utils?|helpers?|types|common|misc|shared|lib|base|stuff)$/;

function overFiles(tree: Tree, look: (file: SourceFile) => string | undefined): Violation[] {
  return tree.files.flatMap((file) => {
    const message = look(file);
    return message === undefined ? [] : [{ path: file.path, line: 1, message }];
  });
}

function overNodes(tree: Tree, look: (node: Syntax, file: SourceFile) => string | undefined): Violation[] {
  return tree.files.flatMap((file) =>
    file.nodes.flatMap((node) => {
      const message = look(node, file);
      return message === undefined ? [] : [{ path: file.path, line: file.lineOf(node.start), message }];
    }),
  );
}

/** A source file begins by saying what it promises. Lists of exports and tests speak for themselves. */
export function filesHaveHeaders(tree: Tree): Violation[] {
  return overFiles(tree, (file) => {
    if (/\.test\.ts$|\/index\.ts$/.test(file.path)) return undefined;
    const text = file.text.replace(/^#!.*\n/, "").trimStart();
    const header = /^(\/\*\*[\s\S]*?\*\/|(\/\/.*\n)+)/.exec(text)?.[0] ?? "";
    return header.replace(/[^A-Za-z]/g, "").length >= 20 ? undefined : "does not begin with a comment that says what it promises";
  });
}

/** A longer file holds two ideas. */
export function filesAreShort(tree: Tree, longFiles: Readonly<Record<string, string>> = LONG_FILES): Violation[] {
  return overFiles(tree, (file) => {
    const lines = file.text.trimEnd().split("\n").length;
    return lines <= LINES_MAX || file.path in longFiles ? undefined : `has ${lines} lines; the most is ${LINES_MAX}`;
  });
}

/** Names say what is inside, in kebab-case. */
export function namesSayWhatIsInside(tree: Tree): Violation[] {
  return overFiles(tree, (file) => {
    const parts = file.path.replace(/(\.test)?\.(ts|mjs)$/, "").split("/");
    const empty = parts.find((part) => EMPTY_NAMES.test(part));
    if (empty !== undefined) return `"${empty}" says nothing about what is inside`;
    const other = parts.find((part) => !/^[a-z0-9]+([.-][a-z0-9]+)*$/.test(part));
    return other === undefined ? undefined : `"${other}" is not kebab-case`;
  });
}

/** Exports are named where they are defined and listed one by one; only a tool's own configuration file may differ. */
export function exportsAreNamed(tree: Tree): Violation[] {
  return overNodes(tree, (node) => {
    if (node.type === "ExportDefaultDeclaration") return "has a default export";
    if (node.type === "ExportAllDeclaration" && node.exported === null) return "exports everything of another file";
    return undefined;
  });
}

/** Work that is left to do is written in the tracker, not in the code. */
export function nothingIsLeftToDo(tree: Tree): Violation[] {
  return tree.files.flatMap((file) =>
    file.comments
      .filter((comment) => /\b(TODO|FIXME|XXX|HACK)\b/.test(comment.text))
      .map((comment) => ({ path: file.path, line: file.lineOf(comment.start), message: "leaves something to do" })),
  );
}

const TEST_FUNCTIONS = ["it", "test", "describe", "suite", "bench"];
const SKIPPERS = ["skip", "only", "todo", "skipIf", "runIf", "fails"];

/** Every test runs every time. */
export function testsAreNotSkipped(tree: Tree): Violation[] {
  return overNodes(tree, (node) => {
    if (node.type === "CallExpression" && /^(xit|xtest|xdescribe|fit|fdescribe)$/.test(String((node.callee as Syntax).name))) {
      return `${String((node.callee as Syntax).name)} does not run with the others`;
    }
    if (node.type !== "MemberExpression") return undefined;
    const property = String((node.property as Syntax).name);
    return SKIPPERS.includes(property) && TEST_FUNCTIONS.includes(rootName(node.object as Syntax))
      ? `.${property} keeps tests from running`
      : undefined;
  });
}

/** The first name of a chain such as `describe.concurrent.each`. */
function rootName(node: Syntax): string {
  return node.type === "MemberExpression" ? rootName(node.object as Syntax) : String(node.name);
}

export function packagesHaveTests(tree: Tree): Violation[] {
  return tree.packages
    .filter((one) => !tree.files.some((file) => file.package === one && file.path.endsWith(".test.ts")))
    .map((one) => ({ path: one.directory, line: 1, message: "has no test" }));
}

/** The product knows no directory of the machine it was written on. */
export function noPathsOfOneMachine(tree: Tree): Violation[] {
  return tree.files
    .filter((file) => !file.isTest)
    .flatMap((file) =>
      [...file.text.matchAll(/(?<![\w.}~-])\/(work|root|tmp)\//g)].map((match) => ({
        path: file.path,
        line: file.lineOf(match.index),
        message: `names ${match[0]}`,
      })),
    );
}

/** Node runs the source as it is: it wants the whole file name. */
export function relativeImportsNameFiles(tree: Tree): Violation[] {
  return tree.files.flatMap((file) =>
    file.imports
      .filter(({ specifier }) => specifier.startsWith(".") && !/\.(ts|mjs|json)$/.test(specifier))
      .map(({ specifier, line }) => ({ path: file.path, line, message: `${specifier} does not end in .ts` })),
  );
}
