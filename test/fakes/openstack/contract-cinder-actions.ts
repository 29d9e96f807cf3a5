/** Cinder's part of the contract: actions, attachments and uploads. */

import type { Check } from "./contract.ts";
import { ABSENT, at, badRequest, drop, SHOWN, url, volume } from "./contract-cinder-ask.ts";

export const cinderActionChecks: readonly Check[] = [
  {
    name: "cinder: actions",
    async run(world) {
      const id = await volume(world, { size: 1 });
      const act = (status: number, body: unknown) =>
        world.expect(status, "POST", url(world, `/volumes/${id}/action`), { json: body });
      await act(200, { "os-set_bootable": { bootable: true } });
      await act(400, { "os-set_bootable": { bootable: "x" } });
      world.same("set", (await act(200, { "os-set_image_metadata": { metadata: { hw_x: "1" } } })).json, {
        metadata: { hw_x: "1" },
      });
      world.same("show", (await act(200, { "os-show_image_metadata": null })).json, { metadata: { hw_x: "1" } });
      await act(202, { "os-update_readonly_flag": { readonly: true } });
      const shown = (await world.expect(200, "GET", url(world, `/volumes/${id}`))).json?.volume;
      world.keys("shown", shown, [...SHOWN, "volume_image_metadata"]);
      world.same(
        "facts",
        [shown?.bootable, shown?.volume_image_metadata, shown?.metadata],
        ["true", { hw_x: "1" }, { readonly: "True" }],
      );
      world.same("metadata alone has no readonly", (await world.expect(200, "GET", url(world, `/volumes/${id}/metadata`))).json, {
        metadata: {},
      });
      await act(200, { "os-unset_image_metadata": { key: "hw_x" } });
      await act(404, { "os-unset_image_metadata": { key: "hw_x" } });
      world.contains("unknown", (await act(400, { bogus: {} })).text, "There is no such action: bogus.");
      world.contains(
        "admin's",
        (await act(403, { "os-reset_status": { status: "error" } })).text,
        "Policy doesn't allow volume_extension:volume_admin_actions:reset_status to be performed.",
      );
      await act(403, { "os-force_delete": {} });
      await act(400, { "os-extend": { new_size: 1 } });
      await act(202, { "os-extend": { new_size: 2 } });
      await world.until(url(world, `/volumes/${id}`), ["available"]);
      world.same("extended", (await world.expect(200, "GET", url(world, `/volumes/${id}`))).json?.volume?.size, 2);
      await drop(world, "volumes", id);
    },
  },
  {
    name: "cinder: a volume in use",
    async run(world) {
      const id = await volume(world, { size: 1 });
      const act = (status: number, body: unknown) =>
        world.expect(status, "POST", url(world, `/volumes/${id}/action`), { json: body });
      await act(202, { "os-attach": { instance_uuid: ABSENT, mountpoint: "/dev/vdb" } });
      await world.until(url(world, `/volumes/${id}`), ["in-use"]);
      const shown = (await world.expect(200, "GET", url(world, `/volumes/${id}`))).json?.volume;
      world.keys("attachment", shown?.attachments?.[0], [
        "id",
        "attachment_id",
        "volume_id",
        "server_id",
        "host_name",
        "device",
        "attached_at",
      ]);
      world.same("metadata", shown?.metadata, { readonly: "False", attached_mode: "rw" });
      await badRequest(
        world,
        "/snapshots",
        { snapshot: { volume_id: id } },
        `Volume ${id} status must be available, but current status is: in-use.`,
      );
      for (const force of [false, true])
        world.contains(
          "upload",
          (await act(400, { "os-volume_upload_image": { image_name: "x", force } })).text,
          "status must be available",
        );
      await world.expect(400, "DELETE", url(world, `/volumes/${id}`));
      await act(400, { "os-extend": { new_size: 2 } });
      await act(400, { "os-update_readonly_flag": { readonly: true } });
      for (const options of [
        { json: { snapshot: { volume_id: id, force: true } } },
        { ...at("3.66"), json: { snapshot: { volume_id: id } } },
      ]) {
        const made = (await world.expect(202, "POST", url(world, "/snapshots"), options)).json?.snapshot?.id;
        await world.until(url(world, `/snapshots/${made}`), ["available", "error"]);
        const reset = { json: { "os-reset_status": { status: "error" } } };
        world.contains(
          "policy",
          (await world.expect(403, "POST", url(world, `/snapshots/${made}/action`), reset)).text,
          "volume_extension:snapshot_admin_actions:reset_status",
        );
        await world.expect(202, "POST", `${new URL(world.urls.volume).origin}/v3/snapshots/${made}/action`, {
          as: "admin",
          headers: { "openstack-api-version": "volume 3.67" },
          ...reset,
        });
        await drop(world, "snapshots", made);
      }
      await act(202, { "os-detach": {} });
      await world.until(url(world, `/volumes/${id}`), ["available"]);
      await drop(world, "volumes", id);
    },
  },
  {
    name: "cinder: upload to an image and back",
    async run(world) {
      const id = await volume(world, { size: 1 });
      const act = (status: number, body: unknown) =>
        world.expect(status, "POST", url(world, `/volumes/${id}/action`), { json: body });
      await act(400, { "os-volume_upload_image": {} });
      await act(400, { "os-volume_upload_image": { image_name: "x", disk_format: "bogus" } });
      await act(200, { "os-set_image_metadata": { metadata: { hw_x: "1" } } });
      const started = (
        await act(202, { "os-volume_upload_image": { image_name: "fake-up", disk_format: "raw", container_format: "bare" } })
      ).json?.["os-volume_upload_image"];
      world.keys("started", started, [
        "id",
        "updated_at",
        "status",
        "display_description",
        "size",
        "volume_type",
        "image_id",
        "container_format",
        "disk_format",
        "image_name",
        "protected",
        "visibility",
      ]);
      world.contains(
        "one at a time",
        (await act(400, { "os-volume_upload_image": { image_name: "x" } })).text,
        "status must be available",
      );
      await world.expect(400, "DELETE", url(world, `/volumes/${id}`));
      await badRequest(
        world,
        "/snapshots",
        { snapshot: { volume_id: id } },
        "status must be available, but current status is: uploading.",
      );
      await badRequest(
        world,
        "/volumes",
        { volume: { source_volid: id } },
        "Originating source volume status must be one of 'available, in-use' values",
      );
      const image = `${world.urls.image}/v2/images/${started?.image_id}`;
      const states = await world.until(image, ["active", "killed", "404"]);
      world.same("ends", states.at(-1), "active");
      const shown = (await world.expect(200, "GET", image)).json;
      world.same("image", [shown?.hw_x, shown?.os_hash_algo, shown?.min_disk, shown?.visibility], ["1", "sha512", 0, "shared"]);
      await world.until(url(world, `/volumes/${id}`), ["available"]);
      const copy = await volume(world, { imageRef: started?.image_id, size: 1 });
      const made = (await world.expect(200, "GET", url(world, `/volumes/${copy}`))).json?.volume;
      world.same("bootable", [made?.status, made?.bootable], ["available", "true"]);
      world.keys("image metadata", made?.volume_image_metadata, [
        "signature_verified",
        "hw_x",
        "image_id",
        "image_name",
        "checksum",
        "container_format",
        "disk_format",
        "min_disk",
        "min_ram",
        "size",
      ]);
      await world.expect(204, "DELETE", image);
      await drop(world, "volumes", copy);
      await drop(world, "volumes", id);
    },
  },
];
