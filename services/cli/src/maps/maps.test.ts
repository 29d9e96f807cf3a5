import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { reference } from "../../testing/fake-cluster.ts";
import { parseMapFile, readMapFile } from "./map-file.ts";
import { mapsOfRequest, mergeMaps, parseMaps } from "./name-maps.ts";
import { mapFileText } from "./written-maps.ts";

const directory = mkdtempSync(join(tmpdir(), "permafrost-maps-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

test("--map: any kind, both sides with any characters, the last one for a name wins", () => {
  const maps = parseMaps(["zone:*=nova", "neutron.network:net:1=x=y", "zone:*=az2", "zone:old=new", "constructor:__proto__=a"]);
  expect(mapsOfRequest(maps)).toEqual([
    { kind: "zone", names: { "*": "az2", old: "new" } },
    { kind: "neutron.network", names: { "net:1": "x=y" } },
    { kind: "constructor", names: Object.fromEntries([["__proto__", "a"]]) },
  ]);
  expect(Object.keys(mapsOfRequest(maps)[2]?.names ?? {})).toEqual(["__proto__"]);
});

test.each(["zone", "zone:", "zone:a", "zone:=b", "zone:a=", ":a=b", "a=b", "Zone:a=b", "a b:c=d", "nova.:a=b"])(
  "--map %s is refused with an example",
  (text) => {
    expect(() => parseMaps([text])).toThrowError(
      expect.objectContaining({
        code: "USAGE",
        message: `--map ${text} is not KIND:OLD=NEW`,
        hint: expect.stringContaining("Such as"),
      }),
    );
  },
);

test("a map file: all values are text as written, empty ones are not mapped", async () => {
  const file = join(directory, "maps.yaml");
  writeFileSync(
    file,
    `# a comment
volume-type:
  ssd: fast # why
  "*": 1.10
project: { no: null, yes: on }
neutron.network:
  lost:
  other: ""
role:
`,
  );
  const { maps, empty } = await readMapFile(file);
  expect(mapsOfRequest(maps)).toEqual([
    { kind: "volume-type", names: { ssd: "fast", "*": "1.10" } },
    { kind: "project", names: { no: "null", yes: "on" } },
  ]);
  expect(empty).toEqual([
    { kind: "neutron.network", from: "lost" },
    { kind: "neutron.network", from: "other" },
  ]);
  for (const nothing of ["", "# only a comment\n", "---\n"]) expect([...parseMapFile(nothing, "f").maps]).toEqual([]);
});

test.each([
  ["zone:\n  a: [b]\n", "maps.yaml, line 2: zone: the new name of a is not one text"],
  ["zone:\n  a:\n    b: c\n", "maps.yaml, line 3: zone: the new name of a is not one text"],
  ["\nzone: nova\n", "maps.yaml, line 2: zone is no map of old to new names"],
  ["zone: [a, b]\n", "maps.yaml, line 1: zone is no map of old to new names"],
  ["- zone\n", "maps.yaml, line 1: this is no map of kinds"],
  ["just words\n", "maps.yaml, line 1: this is no map of kinds"],
  ["ok:\n  a: b\nVolume Type:\n  a: b\n", 'maps.yaml, line 3: "Volume Type" is no kind'],
  ["? [a]\n: {b: c}\n", "maps.yaml, line 1: what stands here is no kind"],
  ['zone:\n  "": b\n', 'maps.yaml, line 2: zone: "" is no name'],
  ["zone:\n  a: b\n  a: c\n", "maps.yaml, line 3: a is there twice"],
  ["zone:\n  *: nova\n", "maps.yaml, line 2: * is not in quotes"],
  ["zone:\n  a: *b\n", "maps.yaml, line 2: "],
  ["zone:\n\ta: b\n", "maps.yaml, line 2: "],
  ["zone: {a: b\n", "maps.yaml, line "],
])("%j is refused, naming file, line and key", (text, message) => {
  expect(() => parseMapFile(text, "maps.yaml")).toThrowError(
    expect.objectContaining({ code: "USAGE", message: expect.stringContaining(message), hint: expect.any(String) }),
  );
});

test("a map file that is not there or far too large", async () => {
  await expect(readMapFile(join(directory, "none"))).rejects.toMatchObject({ code: "FILE_UNREADABLE" });
  await expect(readMapFile(directory)).rejects.toMatchObject({ code: "FILE_UNREADABLE" });
  const large = join(directory, "large");
  writeFileSync(large, Buffer.alloc(4 * 1024 * 1024 + 1, "#"));
  await expect(readMapFile(large)).rejects.toMatchObject({ code: "USAGE", message: expect.stringContaining("larger") });
});

test("of two maps the winner has what both name", () => {
  const merged = mergeMaps(parseMaps(["zone:a=1", "zone:b=2", "role:x=y"]), parseMaps(["zone:a=9", "policy:p=q"]));
  expect(mapsOfRequest(merged)).toEqual([
    { kind: "zone", names: { a: "9", b: "2" } },
    { kind: "role", names: { x: "y" } },
    { kind: "policy", names: { p: "q" } },
  ]);
});

test("a written map file has the guesses with a word how, and reads back as it was meant", () => {
  const text = mapFileText({
    planId: "P1",
    target: "other/copy",
    maps: parseMaps(["zone:*=nova", "keystone.user:ann=anna"]),
    references: [
      reference({ name: "public", targetName: "public", targetId: "t-pub" }),
      reference({ id: "n2", name: "twin", targetId: "n2", targetName: "twin", how: "same-id" }),
      reference({ id: "n3", name: "twin", targetId: "", targetName: "", how: "missing" }),
      reference({ id: "n4", name: "", targetId: "n4", targetName: "plain", how: "same-id" }),
      reference({ kind: "flavor", id: "f1", name: "m1: 'big' #1", targetId: "", targetName: "", how: "missing" }),
      reference({ kind: "flavor", id: "f2", name: "tab\there\u001b", targetId: "f9", targetName: "tab\there\u001b" }),
      reference({ kind: "flavor", id: "f3", name: "*", targetId: "f3", targetName: "*", how: "same-id" }),
      reference({ kind: "keystone.user", id: "u1", name: "ann", targetId: "u9", targetName: "anna", how: "mapped" }),
    ],
  });
  expect(text).toBe(`\
# What the plan P1 takes from other/copy, which it does not make itself.
# kind: name or id in the source: name or id in the target
# What has no value is not mapped. "*" stands for all other names of a kind.

flavor:
  "m1: 'big' #1": # missing: the target has none of this name or id
  "tab\\there\\u001b": "tab\\there\\u001b" # same name, f9
  f3: f3 # *, same id, *

keystone.user:
  ann: anna # as mapped

neutron.network:
  public: public # same name, t-pub
  n2: n2 # twin, same id, twin
  n3: # twin, missing: the target has none of this name or id
  n4: n4 # same id, plain

zone:
  "*": nova # as mapped
`);
  const { maps, empty } = parseMapFile(text, "f");
  expect(mapsOfRequest(maps)).toEqual([
    { kind: "flavor", names: { "tab\there\u001b": "tab\there\u001b", f3: "f3" } },
    { kind: "keystone.user", names: { ann: "anna" } },
    { kind: "neutron.network", names: { public: "public", n2: "n2", n4: "n4" } },
    { kind: "zone", names: { "*": "nova" } },
  ]);
  expect(empty).toEqual([
    { kind: "flavor", from: "m1: 'big' #1" },
    { kind: "neutron.network", from: "n3" },
  ]);
});
