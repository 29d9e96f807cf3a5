/** What the fake Nova adds to the contract: seeding, guests that write, builds that fail, projects apart, the journal. */

import { afterEach, expect, it } from "vitest";
import { type FakeCloud, type FakeCloudOptions, startFakeCloud } from "../cloud.ts";
import { seedRow } from "../neutron/seed-networks.ts";

let cloud: FakeCloud;

afterEach(() => cloud.close());

type Json = Record<string, unknown>;

/** A cloud with two tenants, and ways to ask Nova as their users. */
async function enter(options: FakeCloudOptions = {}) {
  cloud = await startFakeCloud({ bytesPerGib: 2 ** 20, ...options });
  const user = async (name: string) => {
    const { project } = cloud.seed.tenant(name);
    const login = { user: { name: `${name}-user`, domain: { name: "Default" }, password: `${name}-pw` } };
    const auth = { identity: { methods: ["password"], password: login }, scope: { project: { id: project.id } } };
    const answer = await fetch(`${cloud.authUrl}/auth/tokens`, { method: "POST", body: JSON.stringify({ auth }) });
    const token = answer.headers.get("x-subject-token") ?? "";
    return async (method: string, path: string, body?: unknown) => {
      const headers = { "x-auth-token": token, "openstack-api-version": "compute 2.100" };
      const sent = body === undefined ? {} : { body: JSON.stringify(body) };
      const got = await fetch(`${cloud.urls.compute}/v2.1${path}`, { method, headers, ...sent });
      const text = await got.text();
      return { status: got.status, json: (text.startsWith("{") ? JSON.parse(text) : {}) as Json };
    };
  };
  return { ask: await user("acme"), globex: await user("globex") };
}

const flavorRef = () => [...cloud.compute.flavors.values()].find((flavor) => flavor.name === "lab.nano")?.id;
const idOf = (answer: { json: Json }) => (answer.json.server as { id: string }).id;

it("keeps what a guest wrote in an image of its server", async () => {
  const { ask } = await enter();
  const image = await cloud.seed.image({
    project: "acme",
    name: "base",
    bytes: Buffer.from("base bytes"),
    properties: { os_distro: "x" },
  });
  const server = cloud.seed.server({ project: "acme", name: "web", imageId: image.id });
  cloud.seed.writeServerDisk(server.id, 4, Buffer.from("-GUEST"));
  const made = await ask("POST", `/servers/${server.id}/action`, { createImage: { name: "frozen" } });
  cloud.seed.writeServerDisk(server.id, 0, Buffer.from("later"));
  await cloud.transitions.finishAll();
  const frozen = cloud.read.image(String(made.json.image_id));
  expect([frozen?.bytes?.read(0, 10).toString(), frozen?.size, frozen?.status]).toEqual(["base-GUEST", 2 ** 20, "active"]);
  expect(frozen?.properties).toMatchObject({ os_distro: "x", base_image_ref: image.id, instance_uuid: server.id });
  expect(cloud.journal.leaked("image")).toEqual([frozen?.id]);
});

it("freezes every volume of a volume-backed server at once, and boots another from that image", async () => {
  const { ask } = await enter();
  const root = cloud.seed.volume({ project: "acme", size: 1, bootable: true, bytes: Buffer.from("root") });
  const data = cloud.seed.volume({ project: "acme", size: 2, bytes: Buffer.from("data") });
  const server = cloud.seed.server({ project: "acme", name: "db", volumes: [{ id: root.id }, { id: data.id }] });
  expect([cloud.read.volume(root.id)?.status, cloud.read.volume(data.id)?.attachments[0]?.device]).toEqual([
    "in-use",
    "/dev/vdb",
  ]);
  const made = await ask("POST", `/servers/${server.id}/action`, { createImage: { name: "frozen" } });
  cloud.seed.writeVolume(data.id, 0, Buffer.from("more"));
  await cloud.transitions.finishAll();
  expect(cloud.journal.created("snapshot")).toHaveLength(2);
  const imageRef = String(made.json.image_id);
  const twin = await ask("POST", "/servers", { server: { name: "twin", flavorRef: flavorRef(), imageRef, networks: "none" } });
  await cloud.transitions.finishAll();
  const built = cloud.read.server(idOf(twin));
  const bytes = built?.devices.map((device) =>
    cloud.read
      .volume(device.volumeId ?? "")
      ?.bytes.read(0, 4)
      .toString(),
  );
  expect([built?.vmState, bytes]).toEqual(["active", ["root", "data"]]);
  expect(cloud.journal.leaked("volume")).toHaveLength(2);
});

it("leaves no volume snapshot when the quota forbids them all, and those taken when Cinder stops in the middle", async () => {
  const { ask } = await enter();
  const volumes = [1, 1].map((size) => ({ id: cloud.seed.volume({ project: "acme", size, bootable: true }).id }));
  const server = cloud.seed.server({ project: "acme", name: "db", volumes });
  cloud.seed.quota("acme", { snapshots: 1 });
  const refused = await ask("POST", `/servers/${server.id}/action`, { createImage: { name: "x" } });
  expect(refused).toEqual({
    status: 403,
    json: { forbidden: { code: 403, message: "Quota exceeded for resources: snapshots" } },
  });
  expect(cloud.journal.created("snapshot")).toEqual([]);
  cloud.seed.quota("acme", { snapshots: 10, gigabytes: 3 });
  const halfway = await ask("POST", `/servers/${server.id}/action`, { createImage: { name: "x" } });
  expect(halfway.status).toBe(403);
  expect(cloud.journal.leaked("snapshot")).toHaveLength(1);
  expect(cloud.journal.created("image")).toEqual([]);
});

it("shows an error with its fault when a build fails, and takes the server's volumes back on delete", async () => {
  const { ask } = await enter();
  const volume = cloud.seed.volume({ project: "acme", size: 1, bootable: true });
  cloud.faults.add({ match: { service: "compute", method: "POST", path: /\/servers$/ }, action: { fail: true } });
  const device = { source_type: "volume", destination_type: "volume", uuid: volume.id, boot_index: 0 };
  const made = await ask("POST", "/servers", {
    server: { name: "s", flavorRef: flavorRef(), networks: "none", block_device_mapping_v2: [device] },
  });
  const id = idOf(made);
  expect(cloud.read.volume(volume.id)?.status).toBe("reserved");
  await cloud.transitions.finishAll();
  const shown = (await ask("GET", `/servers/${id}`)).json.server as Json;
  expect([shown.status, (shown.fault as Json).message]).toEqual(["ERROR", expect.stringContaining("No valid host was found.")]);
  expect((await ask("POST", `/servers/${id}/action`, { createImage: { name: "x" } })).status).toBe(409);
  await ask("DELETE", `/servers/${id}`);
  expect(cloud.journal.leaked("server")).toEqual([]);
  await cloud.transitions.finishAll();
  expect([(await ask("GET", `/servers/${id}`)).status, cloud.read.volume(volume.id)?.status]).toEqual([404, "available"]);
});

it("counts a server whose deletion is stuck as left behind", async () => {
  const { ask } = await enter();
  const image = await cloud.seed.image({ project: "acme", bytes: Buffer.from("x") });
  const made = await ask("POST", "/servers", {
    server: { name: "s", flavorRef: flavorRef(), imageRef: image.id, networks: "none" },
  });
  const id = idOf(made);
  cloud.faults.add({ match: { service: "compute", method: "DELETE" }, action: { freeze: { polls: Number.POSITIVE_INFINITY } } });
  await ask("DELETE", `/servers/${id}`);
  expect(cloud.journal.leaked("server")).toEqual([id]);
});

it("keeps projects and users apart", async () => {
  const { ask, globex } = await enter();
  const image = await cloud.seed.image({ project: "acme", bytes: Buffer.from("x") });
  const server = cloud.seed.server({ project: "acme", name: "web", imageId: image.id, userData: "c2VjcmV0" });
  const group = cloud.seed.serverGroup({ project: "acme", name: "g", policy: "affinity" });
  const user = cloud.identities.find(cloud.identities.users, { name: "acme-user", domain: { name: "Default" } });
  cloud.seed.keyPair({ userId: user?.id ?? "", name: "k" });
  const own = (await ask("GET", `/servers/${server.id}`)).json.server as Json;
  expect([own.name, own["OS-EXT-SRV-ATTR:user_data"], own["OS-EXT-SRV-ATTR:hostname"]]).toEqual(["web", undefined, "web"]);
  for (const path of [
    `/servers/${server.id}`,
    `/servers/${server.id}/os-interface`,
    `/os-server-groups/${group.id}`,
    "/os-keypairs/k",
  ])
    expect((await globex("GET", path)).status).toBe(404);
  expect((await globex("DELETE", `/servers/${server.id}`)).status).toBe(404);
  expect((await globex("GET", "/servers/detail")).json).toEqual({ servers: [] });
  expect(((await ask("GET", "/os-keypairs")).json.keypairs as unknown[]).length).toBe(1);
});

it("refuses to a member what is locked, and lists by pages", async () => {
  const { ask } = await enter({ serverPageSize: 2 });
  const image = await cloud.seed.image({ project: "acme", bytes: Buffer.from("x") });
  const ids = ["a", "b", "c"].map(
    (name) => cloud.seed.server({ project: "acme", name, imageId: image.id, lockedBy: "owner" }).id,
  );
  const locked = await ask("DELETE", `/servers/${ids[0]}`);
  expect(locked.json).toEqual({ conflictingRequest: { code: 409, message: `Instance ${ids[0]} is locked` } });
  const page = (await ask("GET", "/servers")).json as { servers: Json[]; servers_links: { href: string }[] };
  expect([page.servers.map((each) => each.name), page.servers_links[0]?.href]).toEqual([
    ["c", "b"],
    expect.stringContaining(`marker=${ids[1]}`),
  ]);
  const rest = (await ask("GET", `/servers?marker=${ids[1]}`)).json as { servers: Json[]; servers_links?: unknown };
  expect([rest.servers.map((each) => each.name), rest.servers_links]).toEqual([["a"], undefined]);
});

it("deletes with its server the volumes that go with it, in the journal too", async () => {
  const { ask } = await enter({ pace: { polls: 0, ms: 0 } });
  const image = await cloud.seed.image({ project: "acme", bytes: Buffer.from("x") });
  const root = { source_type: "image", destination_type: "volume", uuid: image.id, volume_size: 1, boot_index: 0 };
  const data = cloud.seed.volume({ project: "acme", size: 1 });
  const made = await ask("POST", "/servers", {
    server: {
      name: "s",
      flavorRef: flavorRef(),
      networks: "none",
      block_device_mapping_v2: [
        { ...root, delete_on_termination: true },
        { source_type: "volume", destination_type: "volume", uuid: data.id, delete_on_termination: false },
      ],
    },
  });
  await cloud.transitions.finishAll();
  expect(cloud.journal.leaked("volume")).toHaveLength(1);
  await ask("DELETE", `/servers/${idOf(made)}`);
  await cloud.transitions.finishAll();
  expect([cloud.journal.leaked("volume"), cloud.read.volume(data.id)?.status]).toEqual([[], "available"]);
});

it("shows a seeded server's ports with their floating address, and lets them go when it goes", async () => {
  const { ask } = await enter();
  const projectId = cloud.read.project("acme")?.id ?? "";
  const network = seedRow(cloud.network, "network", projectId, { name: "blue" });
  seedRow(cloud.network, "subnet", projectId, { network_id: network.id, ip_version: 4, cidr: "10.1.0.0/24", enable_dhcp: false });
  const port = seedRow(cloud.network, "port", projectId, { network_id: network.id });
  const image = await cloud.seed.image({ project: "acme", bytes: Buffer.from("x") });
  const server = cloud.seed.server({ project: "acme", name: "web", imageId: image.id, ports: [{ id: port.id, tag: "nic" }] });
  const shown = (await ask("GET", `/servers/${server.id}`)).json.server as Json;
  const mac = port.fields.mac_address;
  const row = {
    version: 4,
    addr: expect.stringMatching(/^10\.1\.0\.\d+$/),
    "OS-EXT-IPS:type": "fixed",
    "OS-EXT-IPS-MAC:mac_addr": mac,
  };
  expect([shown.addresses, shown.security_groups]).toEqual([{ blue: [row] }, [{ name: "default" }]]);
  expect([port.fields.device_id, port.fields.device_owner]).toEqual([server.id, "compute:nova"]);
  const made = await ask("POST", "/servers", {
    server: { name: "own", flavorRef: flavorRef(), imageRef: image.id, networks: [{ uuid: network.id }] },
  });
  await cloud.transitions.finishAll();
  expect(cloud.journal.leaked("port")).toHaveLength(1);
  for (const id of [server.id, idOf(made)]) await ask("DELETE", `/servers/${id}`);
  await cloud.transitions.finishAll();
  expect([cloud.journal.leaked("port"), port.fields.device_id, cloud.network.all("port").length]).toEqual([[], "", 1]);
});
