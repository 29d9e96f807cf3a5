/** Checks of Nova that need no guest: versions, flavors, key pairs, server groups, quotas, and what a request may not hold. */

import type { Answer, Check, World } from "./contract.ts";

export const compute = (version: string) => ({ headers: { "openstack-api-version": `compute ${version}` } });
export const nova = (world: World, rest: string) => `${world.urls.compute}${rest}`;
export const ABSENT = "3f3f3938-ceea-4fb8-87b0-b2444ce630b5";
const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKfXqfzJ1zmyIjqPT0m3WSF6VKEPp1ZNyD4zPIUSVqsF contract";

export function refusal(world: World, what: string, answer: Answer, kind: string, message: string): void {
  world.contains(what, String(answer.json?.[kind]?.message), message);
}

export async function flavorId(world: World, name = "lab.nano"): Promise<string> {
  const { json } = await world.expect(200, "GET", nova(world, "/flavors"));
  return json?.flavors?.find((each: { name: string }) => each.name === name)?.id ?? "";
}

async function refuse(world: World, server: Record<string, unknown>, message: string, version = "2.100", status = 400) {
  const answer = await world.expect(status, "POST", nova(world, "/servers"), { ...compute(version), json: { server } });
  const kind = { 400: "badRequest", 403: "forbidden", 409: "conflictingRequest" }[status] ?? "";
  refusal(world, JSON.stringify(server), answer, kind, message);
}

export const novaChecks: readonly Check[] = [
  {
    name: "nova: versions and microversions",
    async run(world) {
      const root = world.urls.compute.replace(/\/v2\.1.*$/, "/");
      const versions = (await world.expect(200, "GET", root, { as: "nobody" })).json?.versions;
      world.same(
        "ids",
        versions?.map((each: { id: string }) => each.id),
        ["v2.0", "v2.1"],
      );
      world.same("minimum", versions?.[1]?.min_version, "2.1");
      const one = (await world.expect(200, "GET", nova(world, "/"), { as: "nobody" })).json?.version;
      world.keys("version", one, ["id", "status", "version", "min_version", "updated", "links", "media-types"]);
      await world.expect(401, "GET", nova(world, "/servers"), { as: "nobody" });
      const plain = await world.expect(200, "GET", nova(world, "/servers"));
      world.same("default", plain.headers.get("openstack-api-version"), "compute 2.1");
      const answer = await world.expect(200, "GET", nova(world, "/servers"), compute("2.79"));
      world.same("asked", answer.headers.get("x-openstack-nova-api-version"), "2.79");
      const legacy = await world.expect(200, "GET", nova(world, "/servers"), {
        headers: { "x-openstack-nova-api-version": "2.60" },
      });
      world.same("legacy header", legacy.headers.get("openstack-api-version"), "compute 2.60");
      const high = await world.expect(406, "GET", nova(world, "/servers"), compute("2.999"));
      refusal(world, "too new", high, "computeFault", "Version 2.999 is not supported by the API. Minimum is 2.1 and maximum is");
      const odd = await world.expect(400, "GET", nova(world, "/servers"), compute("two"));
      refusal(world, "odd", odd, "badRequest", "API Version String two is of invalid format");
      await world.expect(404, "GET", nova(world, "/nothing"));
      const missing = await world.expect(404, "GET", nova(world, `/servers/${ABSENT}`));
      refusal(world, "absent", missing, "itemNotFound", `Instance ${ABSENT} could not be found.`);
    },
  },
  {
    name: "nova: flavors",
    async run(world) {
      const list = (await world.expect(200, "GET", nova(world, "/flavors/detail"), compute("2.100"))).json?.flavors;
      const nano = list?.find((each: { name: string }) => each.name === "lab.nano");
      world.same("nano", [nano?.ram, nano?.disk, nano?.vcpus, nano?.swap, nano?.extra_specs], [96, 1, 1, 0, {}]);
      const old = (await world.expect(200, "GET", nova(world, `/flavors/${nano?.id}`))).json?.flavor;
      world.keys("2.1", old, [
        ...["id", "name", "ram", "disk", "vcpus", "swap", "links", "rxtx_factor", "os-flavor-access:is_public"],
        ...["OS-FLV-EXT-DATA:ephemeral", "OS-FLV-DISABLED:disabled"],
      ]);
      world.same("swap at 2.1", old?.swap, "");
      const gone = await world.expect(404, "GET", nova(world, "/flavors/none"));
      refusal(world, "absent", gone, "itemNotFound", "Flavor none could not be found.");
      const flavor = { name: `contract-${world.userName}`, ram: 64, vcpus: 1, disk: 1, "os-flavor-access:is_public": false };
      const denied = await world.expect(403, "POST", nova(world, "/flavors"), { json: { flavor } });
      refusal(
        world,
        "member",
        denied,
        "forbidden",
        "Policy doesn't allow os_compute_api:os-flavor-manage:create to be performed.",
      );
      const made = (await world.expect(200, "POST", nova(world, "/flavors"), { as: "admin", json: { flavor } })).json?.flavor;
      const path = `/flavors/${made?.id}`;
      world.later(() => world.ask("DELETE", nova(world, path), { as: "admin" }));
      const twice = await world.expect(409, "POST", nova(world, "/flavors"), { as: "admin", json: { flavor } });
      refusal(world, "twice", twice, "conflictingRequest", `Flavor with name ${flavor.name} already exists.`);
      await world.expect(404, "GET", nova(world, path));
      const specs = { extra_specs: { "hw:cpu_policy": "shared" } };
      await world.expect(200, "POST", nova(world, `${path}/os-extra_specs`), { as: "admin", json: specs });
      const access = { addTenantAccess: { tenant: world.projectId } };
      const rows = await world.expect(200, "POST", nova(world, `${path}/action`), { as: "admin", json: access });
      world.same("access", rows.json?.flavor_access, [{ flavor_id: made?.id, tenant_id: world.projectId }]);
      const seen = (await world.expect(200, "GET", nova(world, path), compute("2.61"))).json?.flavor;
      world.same("specs for a member", seen?.extra_specs, specs.extra_specs);
      const own = (await world.expect(200, "GET", nova(world, "/flavors"))).json?.flavors;
      world.same(
        "listed",
        own?.some((each: { id: string }) => each.id === made?.id),
        true,
      );
      const nobody = await world.expect(403, "GET", nova(world, `${path}/os-flavor-access`));
      refusal(world, "access for a member", nobody, "forbidden", "os-flavor-access to be performed");
      await world.expect(202, "DELETE", nova(world, path), { as: "admin" });
    },
  },
  {
    name: "nova: key pairs",
    async run(world) {
      const path = nova(world, "/os-keypairs");
      const keypair = { name: "contract key", public_key: KEY, type: "ssh" };
      const made = await world.expect(201, "POST", path, { ...compute("2.92"), json: { keypair } });
      world.keys("made", made.json?.keypair, ["name", "public_key", "fingerprint", "type", "user_id"]);
      world.same("fingerprint", made.json?.keypair?.fingerprint, "1b:96:22:d3:c3:bb:07:59:4b:e7:b0:a3:3c:9e:b7:21");
      const twice = await world.expect(409, "POST", path, { ...compute("2.92"), json: { keypair } });
      refusal(world, "twice", twice, "conflictingRequest", "Key pair 'contract key' already exists.");
      const none = await world.expect(400, "POST", path, { ...compute("2.92"), json: { keypair: { name: "x" } } });
      refusal(world, "no key", none, "badRequest", "'public_key' is a required property");
      const broken = await world.expect(400, "POST", path, {
        ...compute("2.92"),
        json: { keypair: { ...keypair, public_key: "x" } },
      });
      refusal(world, "broken", broken, "badRequest", "Keypair data is invalid: failed to generate fingerprint");
      const shown = (await world.expect(200, "GET", `${path}/contract%20key`, compute("2.92"))).json?.keypair;
      world.keys("shown", shown, [
        ...["name", "public_key", "fingerprint", "type", "user_id", "created_at", "deleted", "deleted_at", "id", "updated_at"],
      ]);
      world.same("time", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.0+$/.test(shown?.created_at), true);
      const list = (await world.expect(200, "GET", path, compute("2.92"))).json?.keypairs;
      world.keys("listed", list?.[0]?.keypair, ["name", "public_key", "fingerprint", "type"]);
      const generated = await world.expect(201, "POST", path, { ...compute("2.91"), json: { keypair: { name: "made" } } });
      world.contains("private key", String(generated.json?.keypair?.private_key), "PRIVATE KEY-----");
      const page = (await world.expect(200, "GET", `${path}?limit=1`, compute("2.92"))).json;
      world.same("page", [page?.keypairs?.length, page?.keypairs_links?.[0]?.rel], [1, "next"]);
      const other = await world.expect(403, "GET", `${path}?user_id=${world.creatorId}`, compute("2.92"));
      refusal(world, "another's", other, "forbidden", "Policy doesn't allow os_compute_api:os-keypairs:index to be performed.");
      const admin = await world.expect(200, "GET", `${path}?user_id=${world.userId}`, { ...compute("2.92"), as: "admin" });
      world.same("by admin", admin.json?.keypairs?.length, 2);
      const forAnother = { ...compute("2.92"), json: { keypair: { ...keypair, name: "given", user_id: world.userId } } };
      const given = await world.expect(201, "POST", path, { ...forAnother, as: "admin" });
      world.same("given", given.json?.keypair?.user_id, world.userId);
      const refused = { ...compute("2.92"), json: { keypair: { ...keypair, name: "given", user_id: world.creatorId } } };
      const not = await world.expect(403, "POST", path, refused);
      refusal(world, "for another", not, "forbidden", "Policy doesn't allow os_compute_api:os-keypairs:create to be performed.");
      const taken = `${path}/given?user_id=${world.userId}`;
      world.same(
        "shown to admin",
        (await world.expect(200, "GET", taken, { ...compute("2.92"), as: "admin" })).json?.keypair?.name,
        "given",
      );
      await world.expect(204, "DELETE", taken, { ...compute("2.92"), as: "admin" });
      await world.expect(404, "GET", taken, { ...compute("2.92"), as: "admin" });
      for (const name of ["contract%20key", "made"]) await world.expect(204, "DELETE", `${path}/${name}`, compute("2.92"));
      const gone = await world.expect(404, "GET", `${path}/made`, compute("2.92"));
      refusal(world, "gone", gone, "itemNotFound", `Keypair made not found for user ${world.userId}`);
    },
  },
  {
    name: "nova: server groups",
    async run(world) {
      const path = nova(world, "/os-server-groups");
      const group = { name: "g", policy: "anti-affinity", rules: { max_server_per_host: 2 } };
      const made = (await world.expect(200, "POST", path, { ...compute("2.64"), json: { server_group: group } })).json
        ?.server_group;
      world.keys("2.64", made, ["id", "name", "policy", "rules", "members", "project_id", "user_id"]);
      world.same("fields", [made?.policy, made?.rules, made?.members], ["anti-affinity", { max_server_per_host: 2 }, []]);
      const old = (await world.expect(200, "GET", `${path}/${made?.id}`)).json?.server_group;
      world.same("2.1", old, { id: made?.id, name: "g", policies: ["anti-affinity"], metadata: {}, members: [] });
      const rules = await world.expect(400, "POST", path, {
        ...compute("2.64"),
        json: { server_group: { ...group, policy: "affinity" } },
      });
      refusal(world, "rules", rules, "badRequest", "Only anti-affinity policy supports rules.");
      const kind = await world.expect(400, "POST", path, {
        ...compute("2.64"),
        json: { server_group: { name: "g", policy: "x" } },
      });
      refusal(world, "policy", kind, "badRequest", "Invalid input for field/attribute policy. Value: x. 'x' is not one of");
      await world.expect(204, "DELETE", `${path}/${made?.id}`);
      const gone = await world.expect(404, "DELETE", `${path}/${made?.id}`);
      refusal(world, "gone", gone, "itemNotFound", `Instance group ${made?.id} could not be found.`);
    },
  },
  {
    name: "nova: limits, quotas and zones",
    async run(world) {
      const absolute = (await world.expect(200, "GET", nova(world, "/limits"), compute("2.100"))).json?.limits?.absolute;
      world.keys("limits", absolute, [
        ...["maxServerMeta", "maxTotalInstances", "maxTotalCores", "maxTotalRAMSize", "maxTotalKeypairs", "maxServerGroups"],
        ...["maxServerGroupMembers", "totalRAMUsed", "totalCoresUsed", "totalInstancesUsed", "totalServerGroupsUsed"],
      ]);
      const path = nova(world, `/os-quota-sets/${world.projectId}`);
      const set = (await world.expect(200, "GET", path, compute("2.100"))).json?.quota_set;
      const defaults = { cores: 100, instances: 50, ram: 204_800, key_pairs: 100, metadata_items: 128 };
      world.same("set", set, { id: world.projectId, ...defaults, server_groups: 10, server_group_members: 10 });
      const detail = (await world.expect(200, "GET", `${path}/detail`, compute("2.100"))).json?.quota_set;
      world.same("detail", detail?.instances, { in_use: 0, limit: 50, reserved: 0 });
      const denied = await world.expect(403, "PUT", path, { ...compute("2.100"), json: { quota_set: { instances: 0 } } });
      refusal(world, "member", denied, "forbidden", "Policy doesn't allow os_compute_api:os-quota-sets:update to be performed.");
      const update = await world.expect(200, "PUT", path, {
        ...compute("2.100"),
        as: "admin",
        json: { quota_set: { instances: 0 } },
      });
      world.same("updated", [update.json?.quota_set?.instances, update.json?.quota_set?.id], [0, null]);
      const flavorRef = await flavorId(world);
      const image = (await world.expect(200, "GET", `${world.urls.image}/v2/images?name=lab-guest`)).json?.images?.[0];
      const server = { name: "over", flavorRef, imageRef: image?.id, networks: "none" };
      const many = "Quota exceeded for instances: Requested 1, but already used 0 of 0 instances";
      await refuse(world, server, many, "2.100", 403);
      await world.expect(202, "DELETE", path, { as: "admin" });
      const zones = (await world.expect(200, "GET", nova(world, "/os-availability-zone"))).json?.availabilityZoneInfo;
      world.same("zones", zones, [{ zoneName: "nova", zoneState: { available: true }, hosts: null }]);
    },
  },
  {
    name: "nova: what a new server may not be",
    async run(world) {
      const flavorRef = await flavorId(world);
      const image = (await world.expect(200, "GET", `${world.urls.image}/v2/images?name=lab-guest`)).json?.images?.[0];
      const good = { name: "refused", flavorRef, imageRef: image?.id, networks: "none" };
      await refuse(world, { ...good, colour: "red" }, "Additional properties are not allowed ('colour' was unexpected)");
      await refuse(world, { ...good, tags: ["a"] }, "Additional properties are not allowed ('tags' was unexpected)", "2.51");
      await refuse(world, { name: "x", imageRef: image?.id, networks: "none" }, "'flavorRef' is a required property");
      await refuse(world, { name: "x", flavorRef, imageRef: image?.id }, "'networks' is a required property");
      await refuse(
        world,
        { ...good, name: " x" },
        "An invalid 'name' value was provided. The name must be: printable characters.",
      );
      await refuse(world, { ...good, flavorRef: "none" }, "Flavor none could not be found.");
      await refuse(world, { ...good, imageRef: ABSENT }, "Can not find requested image");
      await refuse(world, { name: "x", flavorRef, networks: "none" }, "Missing imageRef attribute");
      await refuse(world, { ...good, key_name: "none" }, "Invalid key_name provided.");
      await refuse(world, { ...good, availability_zone: "none" }, "The requested availability zone is not available");
      await refuse(world, { ...good, networks: [{ port: ABSENT }] }, `Port id ${ABSENT} could not be found.`);
      await refuse(world, { ...good, networks: [{ uuid: ABSENT }] }, `Network ${ABSENT} could not be found.`);
      await refuse(world, { ...good, user_data: "not base64!" }, "'not base64!' is not a 'base64'");
      await refuse(
        world,
        { ...good, metadata: { a: 1 } },
        "Invalid input for field/attribute a. Value: 1. 1 is not of type 'string'",
      );
      const zero = await flavorId(world, "lab.zero");
      await refuse(
        world,
        { ...good, flavorRef: zero },
        "Only volume-backed servers are allowed for flavors with zero disk.",
        "2.100",
        403,
      );
      const bdm = (device: Record<string, unknown>) => ({ ...good, imageRef: "", block_device_mapping_v2: [device] });
      const root = { source_type: "volume", destination_type: "volume", boot_index: 0 };
      await refuse(world, bdm({ ...root, uuid: ABSENT }), `failed to get volume ${ABSENT}.`);
      await refuse(world, bdm(root), "Block Device Mapping is Invalid: Missing device UUID.");
      await refuse(world, bdm({ ...root, source_type: "snapshot", uuid: ABSENT }), `Snapshot ${ABSENT} could not be found.`);
      await refuse(
        world,
        bdm({ source_type: "blank", destination_type: "volume", volume_size: 1, boot_index: -1 }),
        "Boot sequence for the instance and image/block device mapping combination is not valid.",
      );
      const hint = await world.expect(400, "POST", nova(world, "/servers"), {
        ...compute("2.100"),
        json: { server: good, "os:scheduler_hints": { group: ABSENT } },
      });
      refusal(world, "group", hint, "badRequest", `Instance group ${ABSENT} could not be found.`);
    },
  },
];
