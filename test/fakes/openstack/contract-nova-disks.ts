/** Checks of Nova with volumes as root: from a volume, from the image that createImage made, rebuilt, rescued, and in error. */

import type { Check, World } from "./contract.ts";
import { compute, flavorId, nova, refusal } from "./contract-nova.ts";
import { act, boot, guestImage, rest } from "./contract-nova-servers.ts";

async function volume(world: World, fields: Record<string, unknown>): Promise<string> {
  const base = world.urls.volume;
  const made = await world.expect(202, "POST", `${base}/volumes`, { json: { volume: { size: 1, name: "contract", ...fields } } });
  const id: string = made.json?.volume?.id;
  await world.until(`${base}/volumes/${id}`, ["available", "error"]);
  world.later(async () => {
    await world.ask("DELETE", `${base}/volumes/${id}`);
    await world.until(`${base}/volumes/${id}`, ["404", "error_deleting"]);
  });
  return id;
}

export const novaDiskChecks: readonly Check[] = [
  {
    name: "nova: a server of a volume, and another of its image",
    async run(world) {
      const base = world.urls.volume;
      const image = (await world.expect(200, "GET", `${world.urls.image}/v2/images/${await guestImage(world)}`)).json;
      const root = await volume(world, { imageRef: image.id });
      const blank = await volume(world, {});
      const bdm = (uuid: string) => [{ source_type: "volume", destination_type: "volume", uuid, boot_index: 0 }];
      const flavorRef = await flavorId(world, "lab.zero");
      const bare = { name: "x", flavorRef, networks: "none" };
      const refused = await world.expect(400, "POST", nova(world, "/servers"), {
        ...compute("2.100"),
        json: { server: { ...bare, block_device_mapping_v2: bdm(blank) } },
      });
      refusal(world, "blank root", refused, "badRequest", `Block Device ${blank} is not bootable.`);
      const server = await boot(world, { flavorRef, block_device_mapping_v2: bdm(root) });
      const path = nova(world, `/servers/${server}`);
      const taken = await world.expect(400, "POST", nova(world, "/servers"), {
        ...compute("2.100"),
        json: { server: { ...bare, block_device_mapping_v2: bdm(root) } },
      });
      refusal(
        world,
        "volume in use",
        taken,
        "badRequest",
        "status must be available or downloading to reserve, but the current status is in-use",
      );
      const shown = (await world.expect(200, "GET", path, compute("2.100"))).json?.server;
      world.same("attached", shown?.["os-extended-volumes:volumes_attached"], [{ id: root, delete_on_termination: false }]);
      await act(world, server, { "os-stop": null });
      await rest(world, server);
      const made = await act(world, server, { createImage: { name: "contract frozen" } });
      const imageId = made.json?.image_id;
      const frozen = (await world.expect(200, "GET", `${world.urls.image}/v2/images/${imageId}`)).json;
      const [{ snapshot_id: snapshot }] = JSON.parse(frozen?.block_device_mapping ?? "[{}]");
      await world.until(`${base}/snapshots/${snapshot}`, ["available", "error"]);
      await world.expect(204, "DELETE", path);
      await world.until(path, ["404"]);
      await world.until(`${base}/volumes/${root}`, ["available"]);
      const twin = await boot(world, { name: "twin", flavorRef, imageRef: imageId });
      const twinPath = nova(world, `/servers/${twin}`);
      const second = (await world.expect(200, "GET", twinPath, compute("2.100"))).json?.server;
      world.same("twin", [second?.status, second?.image?.id ?? second?.image], ["ACTIVE", imageId]);
      const rows = (await world.expect(200, "GET", `${twinPath}/os-volume_attachments`, compute("2.89"))).json?.volumeAttachments;
      const copied = (await world.expect(200, "GET", `${base}/volumes/${rows?.[0]?.volumeId}`)).json?.volume;
      world.same("its volume", [rows?.length, copied?.snapshot_id, copied?.bootable, copied?.name], [1, snapshot, "true", ""]);
      world.same("kept on delete", rows?.[0]?.delete_on_termination, false);
      await world.expect(204, "DELETE", twinPath);
      await world.until(twinPath, ["404"]);
      for (const [kind, id] of [
        ["volumes", copied?.id],
        ["snapshots", snapshot],
      ]) {
        await world.expect(202, "DELETE", `${base}/${kind}/${id}`);
        await world.until(`${base}/${kind}/${id}`, ["404", "error_deleting"]);
      }
      await world.expect(204, "DELETE", `${world.urls.image}/v2/images/${imageId}`);
    },
  },
  {
    name: "nova: rescue, rebuild, reset",
    async run(world) {
      const imageRef = await guestImage(world);
      const server = await boot(world, { imageRef });
      const path = nova(world, `/servers/${server}`);
      const rescued = await act(world, server, { rescue: null }, 200);
      world.keys("rescue", rescued.json, ["adminPass"]);
      const during = await rest(world, server);
      world.same(
        "rescued",
        [during?.status, during?.["OS-EXT-STS:vm_state"], during?.["OS-EXT-STS:power_state"]],
        ["RESCUE", "rescued", 1],
      );
      const image = await act(world, server, { createImage: { name: "none" } }, 409);
      refusal(
        world,
        "createImage",
        image,
        "conflictingRequest",
        `Cannot 'createImage' instance ${server} while it is in vm_state rescued`,
      );
      await act(world, server, { unrescue: null });
      world.same("unrescued", (await rest(world, server))?.status, "ACTIVE");
      const rebuilt = await act(world, server, { rebuild: { imageRef, name: "rebuilt", metadata: { a: "b" } } });
      world.same("answer", [rebuilt.json?.server?.name, rebuilt.json?.server?.status], ["rebuilt", "REBUILD"]);
      const after = await rest(world, server);
      world.same("rebuilt", [after?.status, after?.metadata, after?.image?.id], ["ACTIVE", { a: "b" }, imageRef]);
      const denied = await act(world, server, { "os-resetState": { state: "error" } }, 403);
      refusal(
        world,
        "member",
        denied,
        "forbidden",
        "Policy doesn't allow os_compute_api:os-admin-actions:reset_state to be performed.",
      );
      await world.expect(202, "POST", `${path}/action`, { as: "admin", json: { "os-resetState": { state: "error" } } });
      const broken = (await world.expect(200, "GET", path, compute("2.100"))).json?.server;
      world.same("reset", [broken?.status, broken?.["OS-EXT-STS:vm_state"], broken?.progress], ["ERROR", "error", null]);
      const frozen = await act(world, server, { createImage: { name: "none" } }, 409);
      refusal(world, "createImage in error", frozen, "conflictingRequest", "while it is in vm_state error");
      await world.expect(204, "DELETE", path);
      await world.until(path, ["404"]);
    },
  },
];
