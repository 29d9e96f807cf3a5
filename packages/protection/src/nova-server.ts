/**
 * nova.server: a server with everything that Nova tells of it, and its root disk if it was booted from an image. Volumes, ports, keypair,
 * group and flavor are resources of their own; a restored server is made of the restored ones, with its volumes attached before it starts.
 *
 * A snapshot is taken without the guest's knowledge unless Nova is sure of its agent: crash-consistent, and said to be so.
 */

import { EMPTY_STATS } from "@permafrost/model";
import type { ApiObject, Cloud } from "@permafrost/openstack";
import { CodedError } from "@permafrost/std";
import { ifThere } from "./if-there.ts";
import { TEMPORARY_PREFIX } from "./ledger.ts";
import { captureServer } from "./nova-server-capture.ts";
import { describeServer, diskSourceOf, type ServerDocument, textOf, warningsOf } from "./nova-server-document.ts";
import { freezeServers, serverSnapshots } from "./nova-server-freeze.ts";
import { makeServer, removeServer, started, unfinishedServer } from "./nova-server-make.ts";
import { needsOf, planServer } from "./nova-server-plan.ts";
import { differencesOf, wantsToRun } from "./nova-server-verify.ts";
import type { Context, Found, ResourceType, Restored, RestoreInput, UndoInput, VerifyInput } from "./resource-type.ts";
import { TEMPORARY_UPLOAD } from "./temporaries.ts";

const TYPE = "nova.server";
const GIB = 2 ** 30;

export const novaServer: ResourceType<ServerDocument> = {
  type: TYPE,
  freezesOthers: true,

  async *discover(context: Context): AsyncIterable<Found> {
    const { cloud } = context;
    if (!(await cloud.hasService("compute"))) return;
    const flavors = await Array.fromAsync(cloud.compute.listFlavors());
    for await (const { id, description } of cloud.compute.listServers()) {
      if (textOf(description).startsWith(TEMPORARY_PREFIX)) continue;
      const document = await ifThere(describeServer(context, String(id), flavors));
      if (document === undefined) continue;
      const source = diskSourceOf(document.server);
      yield {
        id: String(id),
        name: textOf(document.server.name) || String(id),
        document,
        logicalBytes: source === "image" || source === "shelved-image" ? document.flavor.disk * GIB : 0,
        captures: source !== "none",
        freezes: source === "image" || source === "volumes",
        warnings: warningsOf(document),
      };
    }
  },

  freeze: freezeServers,
  capture: captureServer,
  needs: needsOf,
  quota: ({ flavor }) => [
    { service: "compute", limit: "instances", amount: 1 },
    { service: "compute", limit: "cores", amount: flavor.vcpus },
    { service: "compute", limit: "ram", amount: flavor.ram },
  ],
  plan: planServer,

  async restore(context: Context, input: RestoreInput<ServerDocument>): Promise<Restored> {
    const { resource, document } = input;
    if (resource.action === "reuse" && resource.targetId !== undefined)
      return { targetId: resource.targetId, stats: EMPTY_STATS };
    const { cloud, journal, ledger } = context;
    const noted = await journal.find(TYPE, resource.id);
    const known = noted === undefined ? undefined : await ifThere(cloud.compute.getServer(noted));
    const made =
      known === undefined ? await makeServer(context, input) : { server: await started(context, String(known.id), document) };
    const targetId = String(made.server.id);
    await journal.note(TYPE, resource.id, targetId);
    // An adopted server's image is left to the sweep, and so is the server's own entry: see `makeServer`.
    const kept =
      made.imageId === undefined ? [] : await withoutImage(ledger.release(TEMPORARY_UPLOAD, resource.id, made.imageId));
    await complete(context, input, made.server);
    return { targetId, stats: { ...EMPTY_STATS, logicalBytes: resource.streams.data?.sizeBytes ?? 0 }, warnings: kept };
  },

  async verify(context: Context, input: VerifyInput<ServerDocument>) {
    // The guest writes to its disk as soon as it starts: what is there now is no copy of what was captured, and is not compared.
    return { level: "metadata" as const, mismatches: await differencesOf(context, input) };
  },

  undo: (context: Context, { targetId }: UndoInput<ServerDocument>) => removeServer(context, targetId),

  temporaries: (context) => [unfinishedServer(context), serverSnapshots(context)],

  async find(cloud: Cloud, nameOrId: string): Promise<{ id: string; name: string }[]> {
    if (nameOrId === "" || !(await cloud.hasService("compute"))) return [];
    const byId = await ifThere(cloud.compute.getServer(nameOrId)).catch(noSuchId);
    const found = byId === undefined ? await Array.fromAsync(cloud.compute.listServers({ name: nameOrId })) : [byId];
    return found.map((s) => ({ id: String(s.id), name: String(s.name) }));
  },

  coverage: {
    captured: [
      "*",
      "interfaces in order",
      "volume attachments",
      "server group",
      "public key",
      "flavor",
      "root disk",
      "boot order",
    ],
    restored: [
      ...["name", "description", "metadata", "tags", "flavor", "key_name", "server group", "availability_zone", "hostname"],
      ...["config_drive", "user_data", "OS-DCF:diskConfig", "accessIPv4", "accessIPv6", "ports in order with tag"],
      ...["volumes with device, tag, boot index, delete_on_termination", "root disk with image properties"],
      ...["status ACTIVE or SHUTOFF", "locked", "locked_reason"],
    ],
    roles: { capture: "member (user_data: admin)", restore: "member" },
    reported: {
      user_data: "only an administrator may read it",
      adminPass: "nobody can read it",
      "memory of a paused or suspended server": "it is no part of any image: the server is restored stopped",
      "ephemeral and swap disks": "no image of a server has them",
      "vTPM and NVRAM": "the API does not give them",
      "image it was made of": "the root disk is restored from an image that is removed again",
      "scheduler hints": "but for the group they name things of the source",
      "status ERROR, BUILD, RESIZE, RESCUE …": "metadata only: there is no image of it to be had",
      "bytes of the restored root disk": "verified when uploaded; the guest changes them when it starts",
      security_groups: "they are the ports'",
    },
  },
};

/** What comes after the start, each step only if it is not done yet: power, volumes that go with the server, description, and the lock last. */
async function complete(
  context: Context,
  { document, options, targets }: RestoreInput<ServerDocument>,
  server: ApiObject,
): Promise<void> {
  const { cloud, signal } = context;
  const { compute } = cloud;
  const id = String(server.id);
  if (server.status === "ACTIVE" && !wantsToRun(document, options)) {
    await compute.stopServer(id);
    await compute.waitForServer(id, ["SHUTOFF"], { signal });
  }
  const going = new Set(
    document.attachments
      .filter((a) => a.delete_on_termination === true)
      .map((a) => targets[`cinder.volume/${String(a.volumeId)}`]),
  );
  for (const { volumeId, delete_on_termination } of going.size === 0 ? [] : await compute.volumeAttachments(id))
    if (going.has(String(volumeId)) && delete_on_termination !== true)
      await compute.setDeleteOnTermination(id, String(volumeId), true);
  const description = typeof document.server.description === "string" ? document.server.description : null;
  if (server.description !== description) await compute.updateServer(id, { description });
  if (document.server.locked === true && server.locked !== true)
    await compute.lockServer(id, textOf(document.server.locked_reason));
}

/** Where servers' disks are clones of their images (Ceph) an image cannot go before its server. */
async function withoutImage(removed: Promise<void>): Promise<string[]> {
  try {
    await removed;
    return [];
  } catch (error) {
    if (!CodedError.is(error, "CONFLICT") && !CodedError.is(error, "RESOURCE_STATE")) throw error;
    return [`The image of its root disk cannot be removed while the server is there: ${error.message}`];
  }
}

/** Nova answers 400 for an id that is not in the form of one. */
function noSuchId(error: unknown): undefined {
  if (CodedError.is(error) && error.facts.status === 400) return undefined;
  throw error;
}
