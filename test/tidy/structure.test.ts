import { describe, expect, it } from "vitest";
import {
  capabilitiesHaveOwners,
  dependenciesAreDeclared,
  environmentIsReadInOnePlace,
  importsGoDown,
  importsUseEntries,
  packageOf,
  timeAndChanceAreParameters,
  versionsAreExact,
} from "./structure.ts";
import { makeTree, type Tree, type Violation } from "./tree.ts";

function manifest(name: string, layer: number | undefined, dependencies: Record<string, string> = {}): string {
  return JSON.stringify({ name: `@permafrost/${name}`, layer, dependencies });
}

const BASE = {
  "package.json": JSON.stringify({ devDependencies: { vitest: "1.0.0" } }),
  "packages/std/package.json": manifest("std", 0),
  "packages/kv/package.json": manifest("kv", 2),
  "packages/jobs/package.json": manifest("jobs", 2),
  "packages/runtime/package.json": manifest("runtime", 2),
  "services/worker/package.json": manifest("service-worker", 5),
  "services/cli/package.json": manifest("service-cli", 5),
};

/** The paths and lines that `rule` objects to when these files are there. */
function found(rule: (tree: Tree) => Violation[], files: Record<string, string>): string[] {
  return rule(makeTree({ ...BASE, ...files })).map(({ path, line }) => `${path}:${line}`);
}

describe("importsGoDown", () => {
  it("objects to upward and sideways imports, of types and at run time too", () => {
    expect(
      found(importsGoDown, {
        "packages/std/src/a.ts": 'import type { Kv } from "@permafrost/kv";',
        "packages/kv/src/a.ts": '\nexport { memoryBus } from "@permafrost/jobs";',
        "packages/jobs/src/a.ts": 'const kv = await import("@permafrost/kv");',
        "services/worker/src/a.ts": 'import { main } from "@permafrost/service-cli";',
      }),
    ).toEqual(["packages/std/src/a.ts:1", "packages/kv/src/a.ts:2", "packages/jobs/src/a.ts:1", "services/worker/src/a.ts:1"]);
  });

  it("objects to a package without a layer", () => {
    expect(found(importsGoDown, { "packages/new/package.json": manifest("new", undefined) })).toEqual([
      "packages/new/package.json:1",
    ]);
  });

  it("accepts downward imports", () => {
    expect(found(importsGoDown, { "packages/kv/src/a.ts": 'import { a } from "@permafrost/std";\nimport "vitest";' })).toEqual(
      [],
    );
  });
});

describe("dependenciesAreDeclared", () => {
  it("objects to what is imported and not declared, and the other way round", () => {
    expect(
      found(dependenciesAreDeclared, {
        "packages/kv/package.json": manifest("kv", 2, { "classic-level": "3.0.0", unused: "1.0.0" }),
        "packages/kv/src/a.ts": 'import { ClassicLevel } from "classic-level";\nimport { a } from "@permafrost/std";',
        "packages/kv/src/b.ts": 'import { it } from "vitest";',
      }),
    ).toEqual(["packages/kv/src/a.ts:2", "packages/kv/src/b.ts:1", "packages/kv/package.json:1"]);
  });

  it("counts what generated code imports as used, and tidies nothing else in it", () => {
    const files = {
      "packages/rpc/package.json": manifest("rpc", 3, { long: "5.3.2" }),
      "packages/rpc/src/gen/a.ts": 'import Long from "long";\nimport "undeclared";',
    };
    expect(found(dependenciesAreDeclared, files)).toEqual([]);
  });

  it("accepts Node's own modules, declared ones, and the test tools in tests", () => {
    expect(
      found(dependenciesAreDeclared, {
        "packages/kv/package.json": manifest("kv", 2, { "@permafrost/std": "*" }),
        "packages/kv/src/a.ts": 'import "node:fs";\nimport "./b.ts";\nimport { a } from "@permafrost/std";',
        "packages/kv/src/a.test.ts": 'import { it } from "vitest";',
        "packages/kv/testing/suite.ts": 'import { it } from "vitest";',
      }),
    ).toEqual([]);
  });
});

describe("versionsAreExact", () => {
  it.each(["^1.2.3", "~1.2.3", "1", "latest", "*"])("objects to %s", (version) => {
    const text = manifest("kv", 2, { "classic-level": version });
    expect(found(versionsAreExact, { "packages/kv/package.json": text })).toEqual(["packages/kv/package.json:1"]);
  });

  it("accepts exact versions, and * for packages of the workspace", () => {
    const text = manifest("kv", 2, { a: "1.2.3", b: "1.0.0-rc.1", "@permafrost/std": "*" });
    expect(found(versionsAreExact, { "packages/kv/package.json": text })).toEqual([]);
  });
});

describe("importsUseEntries", () => {
  it("objects to paths into other packages and to suites in the product", () => {
    expect(
      found(importsUseEntries, {
        "packages/kv/src/a.ts": 'import "@permafrost/std/src/clock.ts";',
        "packages/kv/src/b.ts": 'import "@permafrost/jobs/testing";',
        "packages/kv/src/c.ts": 'import "../../std/src/clock.ts";',
        "packages/kv/src/d.ts": 'import "../../../test/harness/a.ts";',
      }),
    ).toEqual(["packages/kv/src/a.ts:1", "packages/kv/src/b.ts:1", "packages/kv/src/c.ts:1", "packages/kv/src/d.ts:1"]);
  });

  it("accepts entries, suites in tests, and a package's own files", () => {
    expect(
      found(importsUseEntries, {
        "packages/kv/src/a.ts": 'import "@permafrost/std";\nimport "./deep/b.ts";',
        "packages/kv/src/a.test.ts":
          'import "@permafrost/jobs/testing";\nimport "../testing/suite.ts";\nimport "../../../test/harness/a.ts";',
      }),
    ).toEqual([]);
  });
});

describe("capabilitiesHaveOwners", () => {
  it.each(["classic-level", "@nats-io/kv", "@grpc/grpc-js", "nice-grpc-common", "undici", "pino", "zod", "node:timers/promises"])(
    "objects to %s outside its owner",
    (specifier) => {
      expect(
        found(capabilitiesHaveOwners, {
          "packages/other/package.json": manifest("other", 3),
          "packages/other/src/a.ts": `import "${specifier}";`,
        }),
      ).toEqual(["packages/other/src/a.ts:1"]);
    },
  );

  it("accepts the owners, and tests that look from outside", () => {
    expect(
      found(capabilitiesHaveOwners, {
        "packages/kv/src/a.ts": 'import "classic-level";',
        "packages/jobs/src/a.ts": 'import "@nats-io/jetstream";',
        "services/worker/src/a.ts": 'import "nice-grpc";',
        "packages/kv/src/a.test.ts": 'import "@nats-io/jetstream";',
      }),
    ).toEqual([]);
  });
});

describe("environmentIsReadInOnePlace", () => {
  it.each([
    "process.env.HOME",
    'process["env"]',
    "const { HOME } = process.env",
    "globalThis.process.env",
    'import { env } from "node:process"',
  ])("objects to %s", (code) => {
    expect(found(environmentIsReadInOnePlace, { "packages/kv/src/a.ts": `\n${code};` })).toEqual(["packages/kv/src/a.ts:2"]);
  });

  it("accepts its owners, tests, and words in comments and text", () => {
    expect(
      found(environmentIsReadInOnePlace, {
        "packages/runtime/src/a.ts": "process.env;",
        "services/cli/src/a.ts": "process.env;",
        "packages/kv/src/a.test.ts": "process.env;",
        "packages/kv/src/a.ts": '// process.env\nconst text = "process.env";\nimport { env } from "./env.ts"; env.a;',
      }),
    ).toEqual([]);
  });
});

describe("timeAndChanceAreParameters", () => {
  it.each([
    "Date.now()",
    "new Date()",
    "Date()",
    "performance.now()",
    "process.hrtime.bigint()",
    "setTimeout(f, 1)",
    "setInterval(f, 1)",
    "globalThis.Date.now()",
    "AbortSignal.timeout(5)",
    "Math.random()",
    "crypto.randomUUID()",
    'import { randomBytes } from "node:crypto"',
  ])("objects to %s", (code) => {
    expect(found(timeAndChanceAreParameters, { "packages/kv/src/a.ts": `${code};` })).toEqual(["packages/kv/src/a.ts:1"]);
    expect(found(timeAndChanceAreParameters, { "services/worker/src/a.ts": `${code};` })).toEqual(["services/worker/src/a.ts:1"]);
  });

  it("accepts std, tests, conversions, and the parameters themselves", () => {
    expect(
      found(timeAndChanceAreParameters, {
        "packages/std/src/a.ts": "Date.now(); setTimeout(f, 1); Math.random();",
        "packages/kv/src/a.test.ts": "Date.now();",
        "packages/kv/src/a.ts":
          "new Date(value); Date.parse(text); clock.now(); random.bytes(4); clearTimeout(t); Math.floor(1); // Date.now()",
      }),
    ).toEqual([]);
  });
});

it("knows the package of a specifier", () => {
  expect(["@a/b/c", "@a/b", "a/b", "a", "./a", "../a", "node:fs"].map(packageOf)).toEqual([
    "@a/b",
    "@a/b",
    "a",
    "a",
    undefined,
    undefined,
    undefined,
  ]);
});
