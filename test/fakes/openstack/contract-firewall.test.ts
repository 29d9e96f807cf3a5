/** FWaaS's checks where `contract.test.ts` does not run them: with the driver for OVN, and in a cloud that lacks the extension. */

import { expect, it } from "vitest";
import { startFakeCloud } from "./cloud.ts";
import { openWorld } from "./contract.ts";
import { firewallChecks } from "./contract-firewall.ts";
import type { NetworkingOptions } from "./neutron/networking.ts";

async function verdicts(network: NetworkingOptions): Promise<string[]> {
  const cloud = await startFakeCloud({ network });
  const world = await openWorld({ authUrl: cloud.authUrl, userName: "admin", password: "admin", projectName: "admin" });
  const found: string[] = [];
  for (const check of firewallChecks) {
    await world.check(check);
    found.push(...world.problems, ...(world.skipped === undefined ? [] : [`skipped: ${world.skipped}`]));
  }
  await world.close();
  expect(["firewall-rule", "firewall-policy", "firewall-group"].flatMap((kind) => cloud.journal.leaked(kind))).toEqual([]);
  await cloud.close();
  return found;
}

it("agrees with the driver for OVN, too", async () => {
  expect(await verdicts({ firewall: "ovn" })).toEqual([]);
});

it("says of a cloud without FWaaS that it is skipped, and why", async () => {
  expect(new Set(await verdicts({}))).toEqual(new Set(["skipped: the cloud has no extension fwaas_v2"]));
});
