import { describe, expect, it } from "vitest";
import { checkSelection, maySelect, selects } from "./selection.ts";

const volume = { type: "cinder.volume", id: "v-1", name: "db-data" };

describe("selects", () => {
  it.each([
    [[], [], true],
    [["cinder.volume"], [], true],
    [["glance.image"], [], false],
    [["cinder.volume/v-1"], [], true],
    [["cinder.volume/db-data"], [], true],
    [["cinder.volume/other"], [], false],
    [["name=db-*"], [], true],
    [["name=db-?ata"], [], true],
    [["name=d.-*"], [], false],
    [["cinder.volume"], ["name=db-*"], false],
    [[], ["glance.image"], true],
  ])("include %j exclude %j: %s", (include, exclude, expected) => {
    expect(selects({ include, exclude }, volume)).toBe(expected);
  });
});

describe("checkSelection", () => {
  it("accepts each form", () => {
    expect(() => checkSelection({ include: ["cinder.volume", "swift.container/a/b", "name=*"], exclude: [] })).not.toThrow();
  });
  it.each(["", "volume", "name=", "Cinder.Volume", "cinder.volume/"])("refuses %j with its code", (term) => {
    expect(() => checkSelection({ include: [term], exclude: [] })).toThrow(
      expect.objectContaining({ code: "SELECTION_MALFORMED" }),
    );
  });
});

describe("maySelect", () => {
  const all = { include: [], exclude: [] };
  it("is true of every type unless the type as a whole is excluded", () => {
    expect(maySelect(all, "cinder.volume")).toBe(true);
    expect(maySelect({ ...all, exclude: ["cinder.volume/a", "name=x"] }, "cinder.volume")).toBe(true);
    expect(maySelect({ ...all, exclude: ["cinder.volume"] }, "cinder.volume")).toBe(false);
  });
  it("is false of types that no term names, unless a name or tag may be of any", () => {
    const include = ["cinder.volume/a", "glance.image"];
    expect(
      ["cinder.volume", "glance.image", "glance.imagery", "nova.server"].map((t) => maySelect({ ...all, include }, t)),
    ).toEqual([...[true, true], ...[false, false]]);
    for (const term of ["name=web*", "tag=gold"]) expect(maySelect({ ...all, include: [term] }, "nova.server")).toBe(true);
  });
});

describe("a term of a tag", () => {
  it("selects what has a tag like it", () => {
    const selection = { include: ["tag=prod*"], exclude: [] };
    const resource = { type: "nova.server", id: "s", name: "web" };
    expect(selects(selection, { ...resource, tags: ["blue", "production"] })).toBe(true);
    expect(selects(selection, { ...resource, tags: ["blue"] })).toBe(false);
    expect(selects(selection, resource)).toBe(false);
  });
});
