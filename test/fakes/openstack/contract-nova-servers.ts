/** Checks of Nova with guests, one at a time: what a server shows in its life, and its images. */

import type { Check, World } from "./contract.ts";
import { compute, flavorId, nova, refusal } from "./contract-nova.ts";

const SHOWN = [
  ...["accessIPv4", "accessIPv6", "addresses", "created", "flavor", "hostId", "id", "image", "links", "metadata", "name"],
  ...["status", "tenant_id", "user_id", "updated", "OS-DCF:diskConfig", "OS-EXT-AZ:availability_zone", "config_drive"],
  ...["key_name", "OS-SRV-USG:launched_at", "OS-SRV-USG:terminated_at", "OS-EXT-STS:task_state", "OS-EXT-STS:vm_state"],
  ...["OS-EXT-STS:power_state", "os-extended-volumes:volumes_attached", "progress"],
];
const SHOWN_2100 = [
  ...SHOWN,
  ...["locked", "locked_reason", "description", "tags", "trusted_image_certificates", "server_groups"],
  ...["OS-EXT-SRV-ATTR:hostname", "pinned_availability_zone", "scheduler_hints"],
];

export async function guestImage(world: World): Promise<string> {
  return (await world.expect(200, "GET", `${world.urls.image}/v2/images?name=lab-guest`)).json?.images?.[0]?.id;
}

export async function boot(world: World, fields: Record<string, unknown>, hints?: Record<string, unknown>): Promise<string> {
  const server = { name: "contract", flavorRef: await flavorId(world), networks: "none", ...fields };
  const json = hints === undefined ? { server } : { server, "os:scheduler_hints": hints };
  const made = await world.expect(202, "POST", nova(world, "/servers"), { ...compute("2.100"), json });
  world.keys("made", made.json?.server, ["id", "links", "OS-DCF:diskConfig", "security_groups", "adminPass"]);
  const id: string = made.json?.server?.id;
  const url = nova(world, `/servers/${id}`);
  world.same("location", made.headers.get("location"), url);
  world.later(async () => {
    await world.ask("DELETE", url, { as: "admin" });
    await world.until(url, ["404"]);
  });
  await world.until(url, ["ACTIVE", "ERROR"]);
  return id;
}

export async function act(world: World, id: string, action: Record<string, unknown>, status = 202, version = "2.100") {
  return world.expect(status, "POST", nova(world, `/servers/${id}/action`), { ...compute(version), json: action });
}

/** Polls until no task is under way; returns the server. */
export async function rest(world: World, id: string) {
  for (let tries = 0; tries < 600; tries++) {
    const { json } = await world.ask("GET", nova(world, `/servers/${id}`), compute("2.100"));
    if (json?.server === undefined || json.server["OS-EXT-STS:task_state"] === null) return json?.server;
    await new Promise<void>((resolve) => setTimeout(resolve, world.login.authUrl.includes(":5000") ? 300 : 1));
  }
  world.problems.push(`server ${id} never came to rest`);
  return undefined;
}

export const novaServerChecks: readonly Check[] = [
  {
    name: "nova: a server of an image",
    async run(world) {
      const imageRef = await guestImage(world);
      const group = (
        await world.expect(200, "POST", nova(world, "/os-server-groups"), {
          ...compute("2.64"),
          json: { server_group: { name: "contract", policy: "affinity" } },
        })
      ).json?.server_group?.id;
      world.later(() => world.ask("DELETE", nova(world, `/os-server-groups/${group}`)));
      const id = await boot(
        world,
        { imageRef, metadata: { a: "1" }, tags: ["zz", "aa"], description: "of the contract", hostname: "contract-host" },
        { group },
      );
      const url = nova(world, `/servers/${id}`);
      const old = (await world.expect(200, "GET", url)).json?.server;
      world.keys("2.1", old, SHOWN);
      world.keys("flavor at 2.1", old?.flavor, ["id", "links"]);
      const server = (await world.expect(200, "GET", url, compute("2.100"))).json?.server;
      world.keys("2.100", server, SHOWN_2100);
      world.keys("flavor", server?.flavor, ["vcpus", "ram", "disk", "ephemeral", "swap", "original_name", "extra_specs"]);
      world.keys("image", server?.image, ["id", "links", "properties"]);
      world.same(
        "fields",
        [server?.tags, server?.description, server?.["OS-EXT-SRV-ATTR:hostname"], server?.server_groups, server?.scheduler_hints],
        [["aa", "zz"], "of the contract", "contract-host", [group], { group: [group] }],
      );
      world.same(
        "state",
        [server?.status, server?.["OS-EXT-STS:vm_state"], server?.["OS-EXT-STS:power_state"], server?.["OS-EXT-STS:task_state"]],
        ["ACTIVE", "active", 1, null],
      );
      world.same("zones", [server?.["OS-EXT-AZ:availability_zone"], server?.pinned_availability_zone], ["nova", null]);
      world.same("lock", [server?.locked, server?.locked_reason], [false, null]);
      world.same("hint members", [server?.addresses, server?.accessIPv4, server?.key_name], [{}, "", null]);
      const admin = (await world.expect(200, "GET", url, { ...compute("2.100"), as: "admin" })).json?.server;
      world.keys("for an admin", admin, [
        ...SHOWN_2100,
        ...["host", "instance_name", "hypervisor_hostname", "reservation_id", "launch_index", "kernel_id", "ramdisk_id"].map(
          (each) => `OS-EXT-SRV-ATTR:${each}`,
        ),
        ...["OS-EXT-SRV-ATTR:root_device_name", "OS-EXT-SRV-ATTR:user_data", "host_status"],
      ]);
      world.same("root device", admin?.["OS-EXT-SRV-ATTR:root_device_name"], "/dev/vda");
      const detail = (await world.expect(200, "GET", nova(world, "/servers/detail"), compute("2.100"))).json?.servers;
      world.keys(
        "in detail",
        detail?.[0],
        SHOWN_2100.filter((key) => key !== "server_groups"),
      );
      for (const [query, count] of [
        ["?name=contr", 1],
        ["?name=other", 0],
        ["?status=ACTIVE", 1],
        ["?tags=aa,zz", 1],
        ["?not-tags=aa", 0],
        ["?limit=1", 1],
      ] as const)
        world.same(
          query,
          (await world.expect(200, "GET", nova(world, `/servers${query}`), compute("2.73"))).json?.servers?.length,
          count,
        );
      const everyone = await world.expect(403, "GET", nova(world, "/servers/detail?all_tenants=1"));
      refusal(world, "all tenants", everyone, "forbidden", "Policy doesn't allow os_compute_api:servers:detail:get_all_tenants");
      const members = (await world.expect(200, "GET", nova(world, `/os-server-groups/${group}`))).json?.server_group?.members;
      world.same("members", members, [id]);
      const put = await world.expect(200, "PUT", url, {
        ...compute("2.94"),
        json: { server: { name: "renamed", description: null } },
      });
      world.same("renamed", [put.json?.server?.name, put.json?.server?.description], ["renamed", null]);
      const unknown = await world.expect(400, "PUT", url, { ...compute("2.94"), json: { server: { tags: [] } } });
      refusal(world, "unknown", unknown, "badRequest", "Additional properties are not allowed ('tags' was unexpected)");
      const meta = await world.expect(200, "POST", `${url}/metadata`, { json: { metadata: { b: "2" } } });
      world.same("metadata", meta.json?.metadata, { a: "1", b: "2" });
      await world.expect(204, "DELETE", `${url}/metadata/a`);
      await world.expect(404, "GET", `${url}/metadata/a`);
      const tags = await world.expect(200, "PUT", `${url}/tags`, { ...compute("2.26"), json: { tags: ["c", "b"] } });
      world.same("tags", [...(tags.json?.tags ?? [])].sort(), ["b", "c"]);
      await world.expect(201, "PUT", `${url}/tags/d`, compute("2.26"));
      await world.expect(204, "DELETE", `${url}/tags/d`, compute("2.26"));
      await act(world, id, { lock: { locked_reason: "mine" } });
      const locked = (await world.expect(200, "GET", url, compute("2.73"))).json?.server;
      world.same("locked", [locked?.locked, locked?.locked_reason], [true, "mine"]);
      await act(world, id, { unlock: null });
      const start = await act(world, id, { "os-start": null }, 409);
      refusal(world, "start", start, "conflictingRequest", `Cannot 'start' instance ${id} while it is in vm_state active`);
      const nothing = await act(world, id, { dance: null }, 400);
      refusal(world, "action", nothing, "badRequest", "There is no such action: dance");
      const offload = await act(world, id, { shelveOffload: null }, 403);
      refusal(world, "offload", offload, "forbidden", "Policy doesn't allow os_compute_api:os-shelve:shelve_offload");
      for (const [action, status, power] of [
        ["pause", "PAUSED", 3],
        ["unpause", "ACTIVE", 1],
        ["suspend", "SUSPENDED", 4],
        ["resume", "ACTIVE", 1],
        ["os-stop", "SHUTOFF", 4],
      ] as const) {
        await act(world, id, { [action]: null });
        const now = await rest(world, id);
        world.same(action, [now?.status, now?.["OS-EXT-STS:power_state"]], [status, power]);
      }
      const made = await act(world, id, { createImage: { name: "contract image", metadata: { colour: "red" } } });
      const imageId = made.json?.image_id;
      world.later(() => world.ask("DELETE", `${world.urls.image}/v2/images/${imageId}`));
      const busy = await act(world, id, { createImage: { name: "second" } }, 409);
      refusal(world, "busy", busy, "conflictingRequest", `Cannot 'createImage' instance ${id} while it is in task_state image_`);
      await world.until(`${world.urls.image}/v2/images/${imageId}`, ["active", "404"]);
      const image = (await world.expect(200, "GET", `${world.urls.image}/v2/images/${imageId}`)).json;
      const { instance_uuid, image_type, colour, base_image_ref, image_location, image_state, owner_id, user_id } = image ?? {};
      world.same(
        "image",
        [instance_uuid, image_type, colour, base_image_ref, image_location, image_state, owner_id, user_id],
        [id, "snapshot", "red", imageRef, "snapshot", "available", world.projectId, world.userId],
      );
      world.same(
        "image fields",
        [image?.visibility, image?.min_disk, image?.container_format, image?.name, image?.owner_project_name],
        ["private", 1, "bare", "contract image", world.userName],
      );
      await rest(world, id);
      await act(world, id, { shelve: null });
      await world.until(url, ["SHELVED_OFFLOADED", "ERROR"]);
      const shelved = (await world.expect(200, "GET", url, compute("2.100"))).json?.server;
      world.same("shelved", [shelved?.["OS-EXT-STS:power_state"], shelved?.hostId], [4, ""]);
      const kept = (await world.expect(200, "GET", `${world.urls.image}/v2/images?name=renamed-shelved`)).json?.images;
      world.same("its image", [kept?.length, kept?.[0]?.instance_uuid], [1, id]);
      const image2 = await act(world, id, { createImage: { name: "none" } }, 409);
      refusal(world, "createImage", image2, "conflictingRequest", `while it is in vm_state shelved_offloaded`);
      await act(world, id, { unshelve: null });
      await world.until(url, ["ACTIVE", "ERROR"]);
      await world.expect(204, "DELETE", url);
      await world.until(url, ["404"]);
    },
  },
];
