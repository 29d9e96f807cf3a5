/**
 * Rules about what may depend on what: layers, declared dependencies, and which package owns which capability.
 * The reasons are in ARCHITECTURE.md.
 */

import type { Import, Package, SourceFile, Syntax, Tree, Violation } from "./tree.ts";

const OURS = "@permafrost/";

/** Package name of a specifier: `@a/b/c` is `@a/b`. Undefined for relative ones and Node's own. */
export function packageOf(specifier: string): string | undefined {
  if (/^(\.|\/|node:)/.test(specifier)) return undefined;
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}

function overImports(
  tree: Tree,
  look: (file: SourceFile, entry: Import, name: string | undefined) => string | undefined,
): Violation[] {
  return tree.files.flatMap((file) =>
    file.imports.flatMap((entry) => {
      const message = look(file, entry, packageOf(entry.specifier));
      return message === undefined ? [] : [{ path: file.path, line: entry.line, message }];
    }),
  );
}

/** A package imports only lower layers. Its own tests may use the suites of its peers, not their code. */
export function importsGoDown(tree: Tree): Violation[] {
  const byName = new Map(tree.packages.map((one) => [one.name, one]));
  const noLayer = tree.packages
    .filter((one) => !Number.isInteger(one.layer))
    .map((one) => ({ path: `${one.directory}/package.json`, line: 1, message: 'has no "layer"' }));
  const upward = overImports(tree, (file, _, name) => {
    const target = name === undefined ? undefined : byName.get(name);
    if (file.package === undefined || target === undefined || target === file.package) return undefined;
    const from = file.package.layer ?? 0;
    const to = target.layer ?? 0;
    return to < from ? undefined : `${file.package.name} (layer ${from}) imports ${target.name} (layer ${to})`;
  });
  return [...noLayer, ...upward];
}

/** What is imported is declared where it is imported; what is declared is imported somewhere in the package. */
export function dependenciesAreDeclared(tree: Tree): Violation[] {
  const undeclared = overImports(tree, (file, _, name) => {
    if (name === undefined || file.package === undefined || name === file.package.name) return undefined;
    if (name in file.package.dependencies) return undefined;
    if (file.isTest && (tree.testDependencies.includes(name) || name.startsWith(OURS))) return undefined;
    return `${name} is not among the dependencies of ${file.package.name}`;
  });
  const unused = tree.packages.flatMap((one) => {
    const files = [...tree.files, ...tree.generated].filter((file) => file.package === one);
    const used = new Set(files.flatMap((file) => file.imports.map((entry) => packageOf(entry.specifier))));
    return Object.keys(one.dependencies)
      .filter((name) => !used.has(name))
      .map((name) => ({ path: `${one.directory}/package.json`, line: 1, message: `declares ${name} and does not import it` }));
  });
  return [...undeclared, ...unused];
}

/** Versions are exact: a lock file protects us, not those who install a package of ours. */
export function versionsAreExact(tree: Tree): Violation[] {
  return tree.packages.flatMap((one) =>
    Object.entries(one.dependencies)
      .filter(([name, version]) => (name.startsWith(OURS) ? version !== "*" : !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)))
      .map(([name, version]) => ({
        path: `${one.directory}/package.json`,
        line: 1,
        message: `${name} has the version ${version}`,
      })),
  );
}

/** Packages are imported by their entries, never by a path into them; suites only by tests. */
export function importsUseEntries(tree: Tree): Violation[] {
  return overImports(tree, (file, { specifier }) => {
    if (specifier.startsWith(OURS)) {
      const entry = specifier.split("/").slice(2).join("/");
      if (entry === "" || (entry === "testing" && file.isTest)) return undefined;
      return entry === "testing" ? `${specifier} is for tests` : `${specifier} reaches into a package`;
    }
    if (!specifier.startsWith(".") || file.package === undefined) return undefined;
    const target = new URL(specifier, `file:///${file.path}`).pathname.slice(1);
    // Tests may use the fakes and the harness of the whole project.
    if (target.startsWith(`${file.package.directory}/`) || (file.isTest && target.startsWith("test/"))) return undefined;
    return `${specifier} leaves ${file.package.name}`;
  });
}

/** Capability, the packages that own it, and the modules it comes in. `services/` stands for every service. */
const OWNERS: readonly { readonly what: string; readonly owners: readonly string[]; readonly modules: RegExp }[] = [
  { what: "LevelDB", owners: ["packages/kv"], modules: /^(classic-level|abstract-level|level|memory-level)$/ },
  { what: "NATS", owners: ["packages/jobs"], modules: /^@nats-io\// },
  { what: "gRPC", owners: ["packages/rpc", "services/"], modules: /^(@grpc\/|nice-grpc|@bufbuild\/protobuf)/ },
  { what: "OpenStack's HTTP", owners: ["packages/openstack", "packages/packs"], modules: /^undici$/ },
  { what: "logging", owners: ["packages/runtime"], modules: /^pino(-|$)/ },
  { what: "configuration schemas", owners: ["packages/runtime"], modules: /^zod$/ },
  { what: "timers", owners: ["packages/std"], modules: /^(node:)?timers(\/|$)/ },
];

function isOwner(owner: Package | undefined, owners: readonly string[]): boolean {
  const directory = owner?.directory ?? "";
  return owners.some((one) => (one.endsWith("/") ? directory.startsWith(one) : directory === one));
}

/** A capability is imported only by the package that owns it. Tests may look from outside. */
export function capabilitiesHaveOwners(tree: Tree): Violation[] {
  return overImports(tree, (file, { specifier }) => {
    if (file.package === undefined || file.isTest) return undefined;
    const rule = OWNERS.find(({ modules }) => modules.test(specifier));
    if (rule === undefined || isOwner(file.package, rule.owners)) return undefined;
    return `${specifier}: ${rule.what} belongs to ${rule.owners.join(", ")}`;
  });
}

function overNodes(tree: Tree, look: (file: SourceFile, node: Syntax) => string | undefined): Violation[] {
  return tree.files
    .filter((file) => file.package !== undefined && !file.isTest)
    .flatMap((file) =>
      file.nodes.flatMap((node) => {
        const message = look(file, node);
        return message === undefined ? [] : [{ path: file.path, line: file.lineOf(node.start), message }];
      }),
    );
}

/** `a.b` of a member expression between two plain names, `a["b"]` and `globalThis.a.b` included. */
function memberText(node: Syntax): string | undefined {
  if (node.type !== "MemberExpression") return undefined;
  const object = node.object as Syntax;
  const property = node.property as Syntax;
  const name = property.type === "Literal" ? String(property.value) : node.computed === true ? undefined : String(property.name);
  const base = object.type === "Identifier" ? String(object.name) : memberText(object)?.replace(/^globalThis\./, "");
  return name === undefined || base === undefined ? undefined : `${base}.${name}`;
}

/** Only `runtime` and the command line read the environment. */
export function environmentIsReadInOnePlace(tree: Tree): Violation[] {
  return overNodes(tree, (file, node) => {
    if (isOwner(file.package, ["packages/runtime", "services/cli"])) return undefined;
    if (memberText(node) === "process.env") return "process.env belongs to packages/runtime";
    const isProcess = node.type === "ImportDeclaration" && /^(node:)?process$/.test(String((node.source as Syntax).value));
    const names = isProcess ? (node.specifiers as Syntax[]).map((one) => String((one.imported as Syntax | undefined)?.name)) : [];
    if (names.includes("env")) return "env belongs to packages/runtime";
    return undefined;
  });
}

const TIME_MEMBERS = /^(Date\.now|performance\.(now|timeOrigin)|process\.(hrtime|uptime)|AbortSignal\.timeout|Temporal\.Now)$/;
const RANDOM_MEMBERS =
  /^(Math\.random|(crypto|webcrypto)\.(getRandomValues|randomBytes|randomUUID|randomInt)|\w+\.(randomBytes|randomUUID|randomFillSync))$/;
const TIMERS = ["setTimeout", "setInterval"];
const RANDOM_IMPORTS = ["randomBytes", "randomUUID", "randomInt", "randomFill", "randomFillSync", "getRandomValues"];

/** Only `std` reads the clock, sets timers or draws randomness, so that a test can give another. `new Date(value)` only converts. */
export function timeAndChanceAreParameters(tree: Tree): Violation[] {
  return overNodes(tree, (file, node) => {
    if (isOwner(file.package, ["packages/std"])) return undefined;
    const member = memberText(node);
    if (member !== undefined && TIME_MEMBERS.test(member)) return `${member}: take a Clock`;
    if (member !== undefined && RANDOM_MEMBERS.test(member) && !member.startsWith("random.")) return `${member}: take a Random`;
    if (node.type === "NewExpression" || node.type === "CallExpression") {
      const name = (node.callee as Syntax).name;
      const isNow = name === "Date" && (node.type === "CallExpression" || (node.arguments as unknown[]).length === 0);
      if (isNow) return "the current Date: take a Clock";
      if (TIMERS.includes(String(name))) return `${String(name)}: take a Clock`;
    }
    if (node.type === "ImportSpecifier" && RANDOM_IMPORTS.includes(String((node.imported as Syntax).name))) {
      return `${String((node.imported as Syntax).name)}: take a Random`;
    }
    return undefined;
  });
}
