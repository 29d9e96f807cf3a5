import { describe, expect, it } from "vitest";
import {
  exportsAreNamed,
  filesAreShort,
  filesHaveHeaders,
  namesSayWhatIsInside,
  noPathsOfOneMachine,
  nothingIsLeftToDo,
  packagesHaveTests,
  relativeImportsNameFiles,
  testsAreNotSkipped,
} from "./style.ts";
import { makeTree, type Tree, type Violation } from "./tree.ts";

const MANIFEST = { "packages/kv/package.json": JSON.stringify({ name: "@permafrost/kv", layer: 2 }) };

function found(rule: (tree: Tree) => Violation[], files: Record<string, string>): string[] {
  return rule(makeTree({ ...MANIFEST, ...files })).map(({ path, line }) => `${path}:${line}`);
}

describe("filesHaveHeaders", () => {
  it.each(["const a = 1;", "/** short */\nconst a = 1;", "const a = 1;\n/** Says what the file promises to its readers. */", ""])(
    "objects to %j",
    (text) => {
      expect(found(filesHaveHeaders, { "packages/kv/src/a.ts": text })).toEqual(["packages/kv/src/a.ts:1"]);
    },
  );

  it("accepts a header, also after a shebang, and needs none in lists of exports and in tests", () => {
    const header = "/** Says what the file promises to its readers. */\nconst a = 1;";
    expect(
      found(filesHaveHeaders, {
        "packages/kv/src/a.ts": header,
        "services/cli/src/main.ts": `#!/usr/bin/env node\n${header}`,
        "packages/kv/src/index.ts": 'export { a } from "./a.ts";',
        "packages/kv/src/a.test.ts": "it();",
      }),
    ).toEqual([]);
  });
});

describe("filesAreShort", () => {
  const lines = (count: number) => "a;\n".repeat(count);

  it("objects to more than 400 lines unless a reason is given", () => {
    const files = { "packages/kv/src/a.ts": lines(400), "packages/kv/src/b.ts": lines(401) };
    expect(found(filesAreShort, files)).toEqual(["packages/kv/src/b.ts:1"]);
    expect(found((tree) => filesAreShort(tree, { "packages/kv/src/b.ts": "a table" }), files)).toEqual([]);
  });
});

describe("namesSayWhatIsInside", () => {
  it.each(["utils.ts", "helper.ts", "types.ts", "common/a.ts", "misc.test.ts", "camelCase.ts", "snake_case.ts"])(
    "objects to %s",
    (name) => {
      expect(found(namesSayWhatIsInside, { [`packages/kv/src/${name}`]: "" })).toEqual([`packages/kv/src/${name}:1`]);
    },
  );

  it("accepts names in kebab-case", () => {
    expect(
      found(namesSayWhatIsInside, { "packages/kv/src/resource-type.ts": "", "packages/kv/src/v2/sha-256.test.ts": "" }),
    ).toEqual([]);
  });
});

describe("exportsAreNamed", () => {
  it.each(["export default class {}", "const a = 1;export default a", 'export * from "./b.ts"'])("objects to %s", (code) => {
    expect(found(exportsAreNamed, { "packages/kv/src/a.ts": code })).toEqual(["packages/kv/src/a.ts:1"]);
  });

  it("accepts named exports and named groups", () => {
    expect(
      found(exportsAreNamed, { "packages/kv/src/a.ts": 'export { a, type B } from "./b.ts";\nexport * as c from "./c.ts";' }),
    ).toEqual([]);
  });
});

describe("nothingIsLeftToDo", () => {
  it.each(["TODO", "FIXME", "XXX", "HACK"])("objects to %s in a comment", (word) => {
    expect(found(nothingIsLeftToDo, { "packages/kv/src/a.ts": `\n// ${word}: later\n` })).toEqual(["packages/kv/src/a.ts:2"]);
    expect(found(nothingIsLeftToDo, { "packages/kv/src/a.ts": `/* a\n ${word} */` })).toEqual(["packages/kv/src/a.ts:1"]);
  });

  it("accepts the words in text and inside other words", () => {
    expect(found(nothingIsLeftToDo, { "packages/kv/src/a.ts": 'const TODO = "FIXME"; // hacksaw, todos' })).toEqual([]);
  });
});

describe("testsAreNotSkipped", () => {
  it.each([
    "it.skip('a', f)",
    "test.only('a', f)",
    "describe.todo('a')",
    "it.skipIf(true)('a', f)",
    "describe.runIf(false)('a', f)",
    "it.concurrent.skip('a', f)",
    "it.fails('a', f)",
    "xit('a', f)",
    "fdescribe('a', f)",
  ])("objects to %s", (code) => {
    expect(found(testsAreNotSkipped, { "packages/kv/src/a.test.ts": code })).toEqual(["packages/kv/src/a.test.ts:1"]);
  });

  it("accepts tests that run, and things that are merely called so", () => {
    expect(
      found(testsAreNotSkipped, { "packages/kv/src/a.test.ts": "it('a', f); it.each([1])('b', f); stream.skip(1); // it.skip" }),
    ).toEqual([]);
  });
});

describe("packagesHaveTests", () => {
  it("objects to a package without one", () => {
    expect(found(packagesHaveTests, { "packages/kv/src/a.ts": "", "packages/other/src/a.test.ts": "" })).toEqual([
      "packages/kv:1",
    ]);
    expect(found(packagesHaveTests, { "packages/kv/src/deep/a.test.ts": "" })).toEqual([]);
  });
});

describe("noPathsOfOneMachine", () => {
  // Put together here, so that this file does not break the rule it tests.
  const paths = ["work", "root", "tmp"].map((name) => `/${name}/x`);

  it.each(paths)("objects to %s", (path) => {
    expect(found(noPathsOfOneMachine, { "packages/kv/src/a.ts": `\nconst a = "${path}";` })).toEqual(["packages/kv/src/a.ts:2"]);
    expect(found(noPathsOfOneMachine, { "scripts/a.mjs": `// as in ${path}` })).toEqual(["scripts/a.mjs:1"]);
  });

  it("accepts them in tests, and other paths that contain them", () => {
    expect(
      found(noPathsOfOneMachine, {
        "packages/kv/src/a.test.ts": `"${paths[0]}"`,
        "packages/kv/src/a.ts": '"./work/a"; "a/root/b"; "/working/x"; "/var/tmp/x"; "root/"',
      }),
    ).toEqual([]);
  });
});

describe("relativeImportsNameFiles", () => {
  it.each(["./a", "../b/index", "./a.js"])("objects to %s", (specifier) => {
    expect(found(relativeImportsNameFiles, { "packages/kv/src/x.ts": `import "${specifier}";` })).toEqual([
      "packages/kv/src/x.ts:1",
    ]);
  });

  it("accepts whole names and packages", () => {
    expect(found(relativeImportsNameFiles, { "packages/kv/src/x.ts": 'import "./a.ts";\nimport "pino";' })).toEqual([]);
  });
});

describe("makeTree", () => {
  it("does not pass over a file that it cannot read", () => {
    expect(() => makeTree({ "packages/kv/src/a.ts": "const = ;" })).toThrow("packages/kv/src/a.ts does not parse");
  });
});
