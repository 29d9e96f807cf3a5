/** The key that a server was made with: whose it was, what of it the restored server waits for, and by which name it gets it. */

import { type Cloud, KEYPAIRS } from "@permafrost/openstack";
import type { JsonObject } from "@permafrost/std";
import { ifThere } from "./if-there.ts";
import { type ServerDocument, textOf } from "./nova-server-document.ts";
import { userKeypairKey } from "./nova-user-keypair.ts";
import type { PlanScope } from "./resource-type.ts";

export interface KeypairPart {
  readonly needs?: string;
  readonly warning?: string;
}

/** Of the user who made the backup, and of the server's own user: where both have one of that name, it was the latter's. */
function keysOf({ server }: ServerDocument): { readonly name: string; readonly own: string; readonly others: string } {
  const name = textOf(server.key_name);
  return { name, own: `nova.keypair/${name}`, others: userKeypairKey(textOf(server.user_id), name) };
}

export function keypairNeeds(document: ServerDocument): string[] {
  const { name, own, others } = keysOf(document);
  return name === "" ? [] : [others, own];
}

export async function keypairPart(cloud: Cloud, document: ServerDocument, scope: PlanScope): Promise<KeypairPart> {
  const { name, own, others } = keysOf(document);
  if (name === "") return {};
  const [other, planned] = [scope.planned(others), scope.planned(own)];
  if (other?.action === "create" || other?.action === "reuse") {
    const isTaken = planned?.action === "create" || planned?.action === "reuse";
    const warning = `whoever restores has a keypair ${name} of the backup's user: made without, unless both are the same key`;
    return { needs: others, ...(isTaken ? { warning } : {}) };
  }
  if (planned !== undefined && planned.action !== "conflict") {
    const warning = other === undefined ? undefined : `made with another user's keypair ${name}: its own is not restored`;
    return { needs: own, ...(warning === undefined ? {} : { warning }) };
  }
  const found = planned === undefined ? await scope.resolve({ kind: "nova.keypair", id: name, name }) : undefined;
  if (found?.targetId === undefined)
    return { warning: `the user has no keypair ${name}: the server is made without; import its public key to have it` };
  const there = await ifThere(cloud.collection(KEYPAIRS).get(found.targetId));
  const isOther = document.keypair !== null && there?.public_key !== (document.keypair as JsonObject).public_key;
  return isOther ? { warning: `the user's keypair ${found.targetId} holds another key than the server's` } : {};
}

/** The name of the keypair of whoever restores; undefined: made without. */
export async function keyNameOf(
  cloud: Cloud,
  document: ServerDocument,
  targets: Readonly<Record<string, string>>,
): Promise<string | undefined> {
  const { name, own, others } = keysOf(document);
  if (name === "") return undefined;
  if (targets[others] === undefined) return targets[own];
  const lent = await ifThere(cloud.compute.keypairOf(name, cloud.userId));
  const wanted = document.keypair?.public_key;
  return lent === undefined || (wanted !== undefined && lent.public_key !== wanted) ? undefined : name;
}

/** The name that a restored server should have. */
export function expectedKeyName(document: ServerDocument, targets: Readonly<Record<string, string>>): string {
  const { name, own, others } = keysOf(document);
  return name === "" ? "" : targets[others] === undefined ? (targets[own] ?? "") : name;
}
