import { expect, it } from "vitest";
import type { AllowedDifference } from "./allowed-differences.ts";
import { compareFull } from "./compare.ts";
import type { FullInventory, Row } from "./inventory.ts";

const NET = "11111111-1111-4111-8111-111111111111";
const NET_COPY = "22222222-2222-4222-8222-222222222222";
const PORT = "33333333-3333-4333-8333-333333333333";
const PORT_COPY = "44444444-4444-4444-8444-444444444444";
const IDS: readonly AllowedDifference[] = [{ type: /./, field: /(^|\.)id$/, why: "numbered anew" }];

function inventory(projectId: string, resources: Record<string, readonly Row[]>, data?: FullInventory["data"]): FullInventory {
  return { projectId, resources, ...(data === undefined ? {} : { data }) };
}

const PROJECT = "a".repeat(32);
const OTHER = "b".repeat(32);
const BEFORE = inventory(
  PROJECT,
  {
    "neutron.network": [{ id: NET, name: "front", project_id: PROJECT, subnets: ["x", "y"] }],
    "neutron.port": [
      {
        id: PORT,
        name: "",
        network_id: NET,
        device_owner: "compute:nova",
        rules: [
          { id: NET, port: 80 },
          { id: PORT, port: 443 },
        ],
      },
    ],
  },
  { "neutron.network": { [NET]: { sha256: "aa", bytes: 1 } } },
);
const AFTER = inventory(
  OTHER,
  {
    "neutron.network": [{ id: NET_COPY, name: "front", project_id: OTHER, subnets: ["y", "x"] }],
    "neutron.port": [
      {
        id: PORT_COPY,
        name: "",
        network_id: NET_COPY,
        device_owner: "compute:nova",
        rules: [
          { id: "9", port: 443 },
          { id: "8", port: 80 },
        ],
      },
    ],
  },
  { "neutron.network": { [NET_COPY]: { sha256: "aa", bytes: 1 } } },
);

function differences(after: FullInventory, allowed = IDS): readonly string[] {
  return compareFull({ before: BEFORE, after, scenario: "second", outside: {}, allowed, leaveOut: [] }).differences;
}

it("knows a thing again whose ids are all other, whatever the order of its lists", () => {
  expect(differences(AFTER)).toEqual([]);
  expect(differences(AFTER, []).length).toBeGreaterThan(0);
});

it("names a field that differs, also inside of a list, a row that is missing and bytes that are other", () => {
  const [network] = AFTER.resources["neutron.network"] ?? [];
  const changed = inventory(
    OTHER,
    { ...AFTER.resources, "neutron.network": [{ ...network, mtu: 1400 }], "neutron.port": [] },
    {
      "neutron.network": { [NET_COPY]: { sha256: "bb", bytes: 1 } },
    },
  );
  expect(differences(changed)).toEqual([
    "neutron.network front: mtu was absent, is 1400",
    "neutron.network front: bytes were 1 aa, are 1 bb",
    "neutron.port compute:nova {neutron.network front}: only before",
  ]);
  const [port] = AFTER.resources["neutron.port"] ?? [];
  const rules = [
    { id: "9", port: 444 },
    { id: "8", port: 80 },
  ];
  expect(differences(inventory(OTHER, { ...AFTER.resources, "neutron.port": [{ ...port, rules }] }, AFTER.data))).toEqual([
    'neutron.port compute:nova {neutron.network front}: rules was [{"port":443},{"port":80}], is [{"port":444},{"port":80}]',
  ]);
});

it("says what it leaves out, and compares it not", () => {
  const leaveOut = [{ type: /^neutron\.port$/, why: "not restored" }];
  const after = inventory(OTHER, { "neutron.network": AFTER.resources["neutron.network"] ?? [] }, AFTER.data);
  expect(compareFull({ before: BEFORE, after, scenario: "second", outside: {}, allowed: IDS, leaveOut })).toEqual({
    differences: [],
    leftOut: ["neutron.port compute:nova {neutron.network front}: not restored"],
    rows: 1,
    streams: 1,
  });
});

it("allows values, not only fields, and only where the rule says", () => {
  const [network] = AFTER.resources["neutron.network"] ?? [];
  const after = inventory(OTHER, { ...AFTER.resources, "neutron.network": [{ ...network, mtu: 1400 }] }, AFTER.data);
  const rule = { type: /^neutron\.network$/, field: /^mtu$/, why: "", accepts: (_: unknown, is: unknown) => is === 1400 };
  expect(differences(after, [...IDS, rule])).toEqual([]);
  expect(differences(after, [...IDS, { ...rule, accepts: () => false }])).toHaveLength(1);
  expect(differences(after, [...IDS, { ...rule, only: ["emptied"] }])).toHaveLength(1);
});
