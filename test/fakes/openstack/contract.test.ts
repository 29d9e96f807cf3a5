/** The contract, against the fake. Against a real cloud it is run by hand: see contract.ts. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type FakeCloud, startFakeCloud } from "./cloud.ts";
import { openWorld, type World } from "./contract.ts";
import { CHECKS } from "./contract-checks.ts";

let cloud: FakeCloud;
let world: World;

beforeAll(async () => {
  cloud = await startFakeCloud({ bytesPerGib: 2 ** 20, network: { firewall: "agents" } });
  // The guest of the lab, which the checks of Nova boot.
  await cloud.seed.image({ project: "admin", name: "lab-guest", visibility: "public", bytes: Buffer.alloc(300_000, 7) });
  world = await openWorld({ authUrl: cloud.authUrl, userName: "admin", password: "admin", projectName: "admin" });
});

afterAll(async () => {
  await world.close();
  await cloud.close();
});

describe("the fake cloud keeps the contract", () => {
  it.each(CHECKS.map((check) => [check.name, check] as const))("%s", async (_name, check) => {
    await world.check(check);
    expect([world.problems, world.skipped]).toEqual([[], undefined]);
  });

  it("leaves nothing behind, by its own journal", () => {
    for (const kind of [
      ..."volume snapshot image container object application_credential secret secret-container zone".split(" "),
      ..."server server_group keypair flavor volume_type volume_transfer group group_type firewall-rule firewall-policy firewall-group".split(
        " ",
      ),
    ])
      expect(cloud.journal.leaked(kind)).toEqual([]);
  });
});
