/**
 * A node whose packs are in a bucket, seen from one data directory: a gateway. Which directory may write, and as which node.
 *
 * `gateway.json` names the directory and the last epoch it claimed. The node's id goes with the packs: the claims carry it. A directory
 * that is not the last owner asks for `takeOver`, unless the last one ended in order; that keeps two living gateways from
 * throwing each other out. That they never write over each other hangs on the claims alone (packages/packs/OBJECT-STORES.md).
 */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ObjectPackStore, PackStore, PrefixOwner } from "@permafrost/packs";
import { CodedError, canonicalJson, type Random, randomId } from "@permafrost/std";
import { readNodeId, writeNodeId } from "./node-identity.ts";
import { nodeIdOfPacks } from "./recovery.ts";
import { writeWhole } from "./whole-file.ts";

export interface GatewayParts {
  readonly directory: string;
  readonly packs: ObjectPackStore;
  readonly condemned: PackStore;
  readonly takeOver: boolean;
  readonly random: Random;
}

interface Gateway {
  readonly gatewayId: string;
  /** 0: it never claimed anything. */
  readonly epoch: number;
}

const FILE = "gateway.json";

/** Makes this process the only writer of the packs; answers the node's id. STORE_OWNED, STORE_FOREIGN, STORE_GONE, PACK_FENCED. */
export async function claimPacks({ directory, packs, condemned, takeOver, random }: GatewayParts): Promise<string> {
  const known = await readNodeId(directory);
  const gateway = await readGateway(directory, random);
  const last = await packs.owner();
  checkMayClaim(last, known, gateway, takeOver, directory);
  const nodeId = known ?? last?.nodeId ?? (await nodeIdOfPacks(packs)) ?? randomId(random);
  // What this directory once condemned another may have spared since. Gone before the claim, or a crash would leave it looking current.
  if (last !== undefined && (last.gatewayId !== gateway.gatewayId || last.epoch !== gateway.epoch)) await forgetAll(condemned);
  const { gatewayId } = gateway;
  await writeGateway(directory, gateway);
  const epoch = await packs.claim(last, { gatewayId, nodeId });
  await writeGateway(directory, { gatewayId, epoch });
  if (known === undefined) await writeNodeId(directory, nodeId);
  return nodeId;
}

function checkMayClaim(
  last: PrefixOwner | undefined,
  known: string | undefined,
  gateway: Gateway,
  takeOver: boolean,
  directory: string,
): void {
  if (last === undefined && gateway.epoch > 0) {
    throw new CodedError("STORE_GONE", "the bucket has nothing of this node, which had packs in it", {
      facts: { directory, epoch: gateway.epoch },
      hint: "Check bucket, prefix and endpoint. If the packs are really lost, start with an empty data directory.",
    });
  }
  if (last === undefined) return;
  if (known !== undefined && known !== last.nodeId) {
    throw new CodedError("STORE_FOREIGN", "the bucket's prefix is that of another node", {
      facts: { nodeId: known, packNodeId: last.nodeId },
      hint: "Give each node a prefix of its own; to take over that node's packs, start with an empty data directory.",
    });
  }
  if (last.gatewayId === gateway.gatewayId || last.isReleased || takeOver) return;
  throw new CodedError("STORE_OWNED", "another storage node has these packs and did not end in order", {
    facts: { nodeId: last.nodeId, gatewayId: last.gatewayId, epoch: last.epoch },
    hint: "If it will not come back, start this one with --take-over; should it still run, it then takes no more writes.",
  });
}

async function readGateway(directory: string, random: Random): Promise<Gateway> {
  const text = await readFile(join(directory, FILE), "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (text === undefined) return { gatewayId: randomId(random), epoch: 0 };
  const match = /^\{"epoch":(\d{1,10}),"format":1,"gatewayId":"([0-9a-f]{32})"\}\s*$/.exec(text);
  if (match?.[2]) return { gatewayId: match[2], epoch: Number(match[1]) };
  throw new CodedError("NODE_IDENTITY_BAD", "gateway.json does not name a gateway", {
    facts: { file: join(directory, FILE) },
    hint: "Remove the file; the node then has to take over its own packs: --take-over.",
  });
}

async function writeGateway(directory: string, { gatewayId, epoch }: Gateway): Promise<void> {
  await writeWhole(directory, FILE, `${canonicalJson({ epoch, format: 1, gatewayId })}\n`);
}

async function forgetAll(condemned: PackStore): Promise<void> {
  for (const { name } of await condemned.list()) await condemned.delete(name);
  await condemned.syncDirectory();
}
