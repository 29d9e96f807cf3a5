/**
 * cinder.volume-snapshot, cinder.group-snapshot, cinder.volume-backup, cinder.volume-transfer: an inventory. What there was is captured with all that the API
 * says of it, without its bytes; nobody can make any of it again as it was, so a restore names each one with the reason, and makes none.
 */

import {
  type ApiObject,
  atLeast,
  type CollectionSpec,
  GROUP_SNAPSHOT_DETAILS,
  SNAPSHOT_DETAILS,
  VOLUME_BACKUP_DETAILS,
  VOLUME_TRANSFER_DETAILS,
} from "@permafrost/openstack";
import { CodedError } from "@permafrost/std";
import { TEMPORARY_PREFIX } from "./ledger.ts";
import type { Context, Found, PlanInput, Planned, ResourceType, RestoreInput, UndoInput, VerifyInput } from "./resource-type.ts";

/** Document version 1. */
export type InventoryDocument = {
  readonly version: 1;
  /** As Cinder lists it. */
  readonly object: ApiObject;
  /** Of the volume or group that it belongs to; "" if that is gone. */
  readonly parentName: string;
};

interface InventoryKind {
  readonly type: string;
  readonly noun: string;
  readonly collection: CollectionSpec;
  /** The microversion that brought it. */
  readonly since?: string;
  readonly parent: { readonly kind: string; readonly attribute: string };
  /** Why it is not restored. */
  readonly reason: string;
  /** The backup lacks bytes that are worth something. */
  readonly hasBytes: boolean;
  /** Whether the object is one, and not what is left of one. */
  readonly isPending?: (object: ApiObject) => boolean;
}

const VOLUME = { kind: "cinder.volume", attribute: "volume_id" };

const KINDS: readonly InventoryKind[] = [
  {
    type: "cinder.volume-snapshot",
    noun: "volume snapshot",
    collection: SNAPSHOT_DETAILS,
    parent: VOLUME,
    reason: "Cinder takes one of what a volume holds now, not of what it held then",
    hasBytes: true,
  },
  {
    type: "cinder.group-snapshot",
    noun: "group snapshot",
    collection: GROUP_SNAPSHOT_DETAILS,
    since: "3.14",
    parent: { kind: "cinder.group", attribute: "group_id" },
    reason: "Cinder takes one of what the group's volumes hold now, not of what they held then",
    hasBytes: true,
  },
  {
    type: "cinder.volume-backup",
    noun: "volume backup",
    collection: VOLUME_BACKUP_DETAILS,
    parent: VOLUME,
    reason: "its bytes are in the backup store of its cloud, and only that cloud's administrator can export its record",
    hasBytes: true,
  },
  {
    type: "cinder.volume-transfer",
    noun: "volume transfer",
    collection: VOLUME_TRANSFER_DETAILS,
    parent: VOLUME,
    reason: "its key was shown once, to whoever made it: offer the volume again",
    hasBytes: false,
    isPending: (transfer) => transfer.accepted !== true,
  },
];

export const cinderInventory: readonly ResourceType<InventoryDocument>[] = KINDS.map((kind) => ({
  type: kind.type,

  async *discover({ cloud, nameOf, signal }: Context): AsyncIterable<Found> {
    if (!(await cloud.hasService("block-storage"))) return;
    if (kind.since !== undefined && !atLeast(await cloud.volume.client.microversion(), kind.since)) return;
    for await (const object of cloud.collection(kind.collection).list({}, signal)) {
      const name = typeof object.name === "string" ? object.name : "";
      // Also what Nova names after an image of ours.
      if (name.includes(TEMPORARY_PREFIX) || kind.isPending?.(object) === false) continue;
      const parentId = object[kind.parent.attribute];
      const parentName = typeof parentId === "string" ? await nameOf(kind.parent.kind, parentId) : "";
      // The volume's own temporaries, such as one that is made from a volume snapshot of ours.
      if (parentName.startsWith(TEMPORARY_PREFIX)) continue;
      const document: InventoryDocument = { version: 1, object, parentName };
      const id = String(object.id);
      const warnings = kind.hasBytes ? [`Only the metadata of a ${kind.noun} is backed up`] : [];
      yield { id, name: name || id, document, logicalBytes: 0, captures: false, freezes: false, warnings };
    }
  },

  async plan(_context: Context, { document }: PlanInput<InventoryDocument>): Promise<Planned> {
    const parent = document.parentName || String(document.object[kind.parent.attribute] ?? "what is gone");
    return { action: "skip", reason: `not restored: a ${kind.noun} of ${parent}: ${kind.reason}`, dependsOn: [] };
  },

  restore: ({ cloud }: Context, { resource }: RestoreInput<InventoryDocument>) => neverMade(kind, cloud.name, resource.id),

  verify: ({ cloud }: Context, { resource }: VerifyInput<InventoryDocument>) => neverMade(kind, cloud.name, resource.id),

  undo: ({ cloud }: Context, { resource }: UndoInput<InventoryDocument>) => neverMade(kind, cloud.name, resource.id),

  coverage: {
    captured: ["*"],
    restored: [],
    roles: { capture: "reader", restore: "nobody" },
    reported: { "all of it": kind.reason },
  },
}));

/** The plan skips them all. */
async function neverMade(kind: InventoryKind, cloud: string, id: string): Promise<never> {
  throw new CodedError("ASSERTION", `A ${kind.noun} is inventory: none is made`, { facts: { type: kind.type, cloud, id } });
}
