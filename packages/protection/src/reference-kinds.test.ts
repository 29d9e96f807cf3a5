import { expect, it } from "vitest";
import { checkMapKinds } from "./reference-kinds.ts";

it("resource types and the kinds beside them can be mapped", () => {
  checkMapKinds({});
  checkMapKinds({
    "neutron.network": { a: "b" },
    "keystone.group": {},
    "volume-type": {},
    zone: {},
    policy: {},
    project: {},
    user: {},
    role: {},
  });
});

it.each(["flavour", "neutron.netwrok", "Zone", "toString", ""])(
  "a map of %j is refused, naming the kinds that there are",
  (kind) => {
    expect(() => checkMapKinds({ zone: {}, [kind]: { a: "b" } })).toThrowError(
      expect.objectContaining({
        code: "MAP_KIND_UNKNOWN",
        message: expect.stringContaining(kind),
        hint: expect.stringContaining("volume-type, zone"),
      }),
    );
  },
);
