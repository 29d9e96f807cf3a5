/** Cinder's part of the contract: volume transfers as they are offered and taken back, and the listing of volume backups. */

import type { Check } from "./contract.ts";
import { ABSENT, at, badRequest, drop, url, volume } from "./contract-cinder-ask.ts";

const TRANSFER = ["id", "created_at", "name", "volume_id", "links"];

export const cinderKeepingChecks: readonly Check[] = [
  {
    name: "cinder: a volume transfer, and the listing of backups",
    async run(world) {
      const offered = await volume(world, { size: 1 });
      await badRequest(world, "/os-volume-transfer", { transfer: { volume_id: ABSENT } }, `Volume ${ABSENT} could not`, 404);
      const json = { transfer: { volume_id: offered, name: "fake-transfer" } };
      const made = await world.expect(202, "POST", url(world, "/os-volume-transfer"), { json });
      const id = made.json?.transfer?.id;
      world.keys("made", made.json?.transfer, [...TRANSFER, "auth_key"]);
      const { volume: shown } = (await world.expect(200, "GET", url(world, `/volumes/${offered}`))).json ?? {};
      world.same("the volume", shown?.status, "awaiting-transfer");
      await badRequest(world, "/os-volume-transfer", json, "Invalid volume: status must be available");
      const of = async (path: string, version: string) =>
        (await world.expect(200, "GET", url(world, path), at(version))).json?.transfers?.[0];
      world.keys("in a list", await of("/os-volume-transfer", "3.67"), ["id", "volume_id", "name", "links"]);
      world.keys("in detail", await of("/os-volume-transfer/detail", "3.0"), TRANSFER);
      const all = [...TRANSFER, "no_snapshots", "destination_project_id", "source_project_id", "accepted"];
      world.keys("in detail at 3.67", await of("/os-volume-transfer/detail", "3.67"), all);
      world.keys("at its newer address", await of("/volume-transfers/detail", "3.67"), all);
      await world.expect(202, "DELETE", url(world, `/os-volume-transfer/${id}`));
      await world.expect(404, "GET", url(world, `/os-volume-transfer/${id}`));
      await drop(world, "volumes", offered);
      world.same("backups", (await world.expect(200, "GET", url(world, "/backups/detail"), at("3.67"))).json, { backups: [] });
    },
  },
];
