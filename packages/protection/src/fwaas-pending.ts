/** A firewall group that is PENDING_… refuses every change of it, of its policies and of their rules, until agents have told of it. */

import { type ApiObject, type Cloud, FIREWALL_GROUPS } from "@permafrost/openstack";
import { type Clock, CodedError } from "@permafrost/std";

const PENDING_POLLS_MAX = 120;
const PENDING_DELAY_MS = 1_000;
const REFUSALS_MAX = 10;

export type Waiting = { readonly cloud: Cloud; readonly clock: Clock; readonly signal: AbortSignal };

export async function waitWhilePending(waiting: Waiting, id: string): Promise<void> {
  await settled(waiting, async () => [await waiting.cloud.collection(FIREWALL_GROUPS).get(id)]);
}

/** Does it when no group of the project is pending; again, if one has become so meanwhile. */
export async function whenSettled<T>(waiting: Waiting, change: () => Promise<T>): Promise<T> {
  const { cloud } = waiting;
  for (let refusal = 1; ; refusal++) {
    await settled(waiting, () => Array.fromAsync(cloud.collection(FIREWALL_GROUPS).list({ project_id: cloud.projectId })));
    try {
      return await change();
    } catch (error) {
      if (!isPending(error) || refusal >= REFUSALS_MAX) throw error;
    }
  }
}

/** Refused because a group is busy, which passes. */
export function isPending(error: unknown): boolean {
  return CodedError.is(error, "CONFLICT") && /\bis in PENDING_/.test(error.message);
}

async function settled({ clock, signal }: Waiting, look: () => Promise<readonly ApiObject[]>): Promise<void> {
  for (let poll = 1; ; poll++) {
    const busy = (await look()).find(({ status }) => String(status).startsWith("PENDING"));
    if (busy === undefined) return;
    const [id, status] = [String(busy.id), String(busy.status)];
    if (poll >= PENDING_POLLS_MAX)
      throw new CodedError("WAIT_TIMEOUT", `firewall group ${id} stays ${status}`, { facts: { id, status }, retry: "later" });
    await clock.sleep(PENDING_DELAY_MS, signal);
  }
}
