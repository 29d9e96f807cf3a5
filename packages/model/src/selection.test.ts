import { describe, expect, it } from "vitest";
import { checkSelection, selects } from "./selection.ts";

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
