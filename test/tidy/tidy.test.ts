/** The rules over the tree as it is. Each rule's own test, on a tree that breaks it, is beside it. */

import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import * as structure from "./structure.ts";
import * as style from "./style.ts";
import { loadTree, type Tree, type Violation } from "./tree.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const tree = loadTree(root);

const rules: readonly ((tree: Tree) => Violation[])[] = [
  structure.importsGoDown,
  structure.dependenciesAreDeclared,
  structure.versionsAreExact,
  structure.importsUseEntries,
  structure.capabilitiesHaveOwners,
  structure.environmentIsReadInOnePlace,
  structure.timeAndChanceAreParameters,
  style.filesHaveHeaders,
  style.filesAreShort,
  style.namesSayWhatIsInside,
  style.exportsAreNamed,
  style.nothingIsLeftToDo,
  style.testsAreNotSkipped,
  style.packagesHaveTests,
  style.noPathsOfOneMachine,
  style.relativeImportsNameFiles,
];

it("looks at the whole tree", () => {
  expect(tree.packages.map((one) => one.directory)).toEqual(
    expect.arrayContaining(["packages/std", "packages/jobs", "services/cli"]),
  );
  expect(tree.files.length).toBeGreaterThan(100);
  expect(tree.files.filter((file) => file.path.includes("/gen/") || file.path.startsWith("test/lab/"))).toEqual([]);
});

it.each(rules.map((rule) => [rule.name, rule] as const))("%s", (_, rule) => {
  expect(rule(tree).map(({ path, line, message }) => `${path}:${line}: ${message}`)).toEqual([]);
});
