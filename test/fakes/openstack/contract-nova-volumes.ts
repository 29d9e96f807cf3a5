/** Checks of Nova with volumes: how a server has them, and what an image of a server that is booted from one says of them. */

import type { Check, World } from "./contract.ts";
import { ABSENT, compute, nova, refusal } from "./contract-nova.ts";
import { act, boot, guestImage } from "./contract-nova-servers.ts";

export const novaVolumeChecks: readonly Check[] = [
  {
    name: "nova: volumes of a server",
    async run(world) {
      const imageRef = await guestImage(world);
      const volumes = world.urls.volume;
      const volume = async (fields: Record<string, unknown>) => {
        const made = await world.expect(202, "POST", `${volumes}/volumes`, {
          json: { volume: { size: 1, name: "data", ...fields } },
        });
        const id: string = made.json?.volume?.id;
        await world.until(`${volumes}/volumes/${id}`, ["available", "error"]);
        world.later(async () => {
          await world.ask("DELETE", `${volumes}/volumes/${id}`);
          await world.until(`${volumes}/volumes/${id}`, ["404", "error_deleting"]);
        });
        return id;
      };
      const data = await volume({});
      const server = await boot(world, {
        block_device_mapping_v2: [
          {
            source_type: "image",
            destination_type: "volume",
            uuid: imageRef,
            volume_size: 1,
            boot_index: 0,
            delete_on_termination: true,
          },
          { source_type: "volume", destination_type: "volume", uuid: data, boot_index: -1, tag: "db" },
        ],
      });
      const url = nova(world, `/servers/${server}`);
      const shown = (await world.expect(200, "GET", url, compute("2.100"))).json?.server;
      world.same("image", shown?.image, "");
      const rows = (await world.expect(200, "GET", `${url}/os-volume_attachments`, compute("2.89"))).json?.volumeAttachments;
      const one = rows?.find((each: { volumeId: string }) => each.volumeId === data);
      const root = rows?.find((each: { volumeId: string }) => each.volumeId !== data);
      world.keys("attachment", one, [
        ...["volumeId", "serverId", "device", "tag", "delete_on_termination", "attachment_id", "bdm_uuid"],
      ]);
      world.same("data", [one?.device, one?.tag, one?.delete_on_termination], ["/dev/vdb", "db", false]);
      world.same("root", [root?.device, root?.tag, root?.delete_on_termination], ["/dev/vda", null, true]);
      const old = (await world.expect(200, "GET", `${url}/os-volume_attachments/${data}`)).json?.volumeAttachment;
      world.same("2.1", old, { id: data, volumeId: data, serverId: server, device: "/dev/vdb" });
      const held = (await world.expect(200, "GET", `${volumes}/volumes/${data}`)).json?.volume;
      world.same(
        "in Cinder",
        [held?.status, held?.attachments?.[0]?.server_id, held?.attachments?.[0]?.device],
        ["in-use", server, "/dev/vdb"],
      );
      world.same("same attachment", held?.attachments?.[0]?.attachment_id, one?.attachment_id);
      const change = { volumeAttachment: { volumeId: data, delete_on_termination: true } };
      await world.expect(202, "PUT", `${url}/os-volume_attachments/${data}`, { ...compute("2.85"), json: change });
      const changed = (await world.expect(200, "GET", `${url}/os-volume_attachments/${data}`, compute("2.85"))).json;
      world.same("changed", changed?.volumeAttachment?.delete_on_termination, true);
      change.volumeAttachment.delete_on_termination = false;
      await world.expect(202, "PUT", `${url}/os-volume_attachments/${data}`, { ...compute("2.85"), json: change });
      const again = await world.expect(400, "POST", `${url}/os-volume_attachments`, {
        ...compute("2.79"),
        json: { volumeAttachment: { volumeId: data } },
      });
      refusal(world, "twice", again, "badRequest", `Invalid volume: volume ${data} is already attached to instances: ${server}`);
      const unknown = await world.expect(404, "POST", `${url}/os-volume_attachments`, {
        ...compute("2.79"),
        json: { volumeAttachment: { volumeId: ABSENT } },
      });
      refusal(world, "absent", unknown, "itemNotFound", `Volume ${ABSENT} could not be found.`);
      const rootless = await world.expect(400, "DELETE", `${url}/os-volume_attachments/${root?.volumeId}`);
      refusal(world, "root", rootless, "badRequest", "Cannot detach a root device volume");
      await bootedFromVolumes(world, server, [root?.volumeId, data]);
      await world.expect(202, "DELETE", `${url}/os-volume_attachments/${data}`);
      await world.until(`${volumes}/volumes/${data}`, ["available", "error"]);
      const gone = await world.expect(404, "DELETE", `${url}/os-volume_attachments/${data}`);
      refusal(world, "not attached", gone, "itemNotFound", `Instance ${server} is not attached to volume ${data}`);
      const attach = await world.expect(200, "POST", `${url}/os-volume_attachments`, {
        ...compute("2.79"),
        json: { volumeAttachment: { volumeId: data, tag: "db2" } },
      });
      world.same("attach", attach.json?.volumeAttachment, {
        id: data,
        volumeId: data,
        serverId: server,
        device: "/dev/vdb",
        tag: "db2",
        delete_on_termination: false,
      });
      await world.until(`${volumes}/volumes/${data}`, ["in-use", "error"]);
      await world.expect(204, "DELETE", url);
      await world.until(url, ["404"]);
      await world.until(`${volumes}/volumes/${root?.volumeId}`, ["404"]);
      await world.until(`${volumes}/volumes/${data}`, ["available"]);
    },
  },
];

/** createImage of a volume-backed server: no bytes, a volume snapshot of each volume. */
async function bootedFromVolumes(world: World, server: string, volumes: readonly string[]): Promise<void> {
  const made = await act(world, server, { createImage: { name: "frozen" } });
  const imageId = made.json?.image_id;
  const image = (await world.expect(200, "GET", `${world.urls.image}/v2/images/${imageId}`)).json;
  world.same("image", [image?.status, image?.size, image?.bdm_v2, image?.root_device_name], ["active", 0, "True", "/dev/vda"]);
  world.same("formats", [image?.disk_format, image?.container_format, image?.visibility], ["raw", "bare", "private"]);
  world.same("no bytes", (await world.ask("GET", `${world.urls.image}/v2/images/${imageId}/file`)).bytes.length, 0);
  const mapping: Record<string, unknown>[] = JSON.parse(image?.block_device_mapping ?? "[]");
  world.keys("mapping", mapping[0], [
    ...["source_type", "destination_type", "guest_format", "device_type", "disk_bus", "boot_index", "device_name"],
    ...["delete_on_termination", "snapshot_id", "volume_id", "volume_size", "image_id", "no_device", "tag", "volume_type"],
    ...["encrypted", "encryption_secret_uuid", "encryption_format", "encryption_options"],
  ]);
  world.same(
    "sources",
    mapping.map((each) => [each.source_type, each.boot_index, each.device_name, each.volume_size, each.tag]).sort(),
    [
      ["snapshot", -1, "/dev/vdb", 1, null],
      ["snapshot", 0, "/dev/vda", 1, null],
    ],
  );
  const snapshots: unknown[] = [];
  for (const { snapshot_id: id } of mapping) {
    const path = `${world.urls.volume}/snapshots/${id}`;
    await world.until(path, ["available", "error"]);
    const snapshot = (await world.expect(200, "GET", path)).json?.snapshot;
    snapshots.push(snapshot?.volume_id);
    world.same("name", snapshot?.name, "snapshot for frozen");
    await world.expect(202, "DELETE", path);
    await world.until(path, ["404", "error_deleting"]);
  }
  world.same("volumes", snapshots.sort(), [...volumes].sort());
  await world.expect(204, "DELETE", `${world.urls.image}/v2/images/${imageId}`);
}
