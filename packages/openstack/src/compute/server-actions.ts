/** Nova v2.1 server actions. https://docs.openstack.org/api-ref/compute/#servers-run-an-action-servers-action */

import { CodedError, type JsonObject } from "@permafrost/std";
import { atLeast } from "../http/microversion.ts";
import type { ServiceClient, ServiceReply } from "../http/service-client.ts";

export interface ServerActionsApi {
  /**
   * An image of the root disk that fills; or, of a server that is booted from a volume, one without data that names a volume snapshot of
   * every attached volume, all requested before this answers (`snapshotNameOf`). Throws QUOTA_EXCEEDED, CONFLICT (something else is
   * going on), OUTCOME_UNKNOWN.
   */
  createServerImage(id: string, name: string): Promise<{ readonly imageId: string }>;
  /** One that is stopped already is CONFLICT. */
  stopServer(id: string): Promise<void>;
  startServer(id: string): Promise<void>;
  lockServer(id: string, reason?: string): Promise<void>;
  unlockServer(id: string): Promise<void>;
}

/** The name that Nova gives to the volume snapshots of an image (nova/compute/api.py `snapshot_volume_backed`). */
export function snapshotNameOf(imageName: string): string {
  return `snapshot for ${imageName}`;
}

const IMAGE_ID_IN_BODY = "2.45";
const LOCK_REASON = "2.73";

export function serverActionsApi(client: ServiceClient): ServerActionsApi {
  async function act(id: string, json: JsonObject, idempotent: boolean): Promise<ServiceReply> {
    const path = `/servers/${encodeURIComponent(id)}/action`;
    return await client.send({ method: "POST", path, json, idempotent, expect: [200, 202] });
  }
  return {
    async createServerImage(id, name) {
      const reply = await act(id, { createImage: { name } }, false);
      const inBody = atLeast(await client.microversion(), IMAGE_ID_IN_BODY);
      const imageId = inBody
        ? (JSON.parse(reply.text) as { image_id?: string }).image_id
        : reply.headers.location?.replace(/\/+$/, "").replace(/^.*\//, "");
      if (imageId !== undefined && imageId !== "") return { imageId };
      throw new CodedError("BAD_RESPONSE", `createImage of server ${id} answered no image`, { facts: { server: id } });
    },
    stopServer: async (id) => void (await act(id, { "os-stop": null }, false)),
    startServer: async (id) => void (await act(id, { "os-start": null }, false)),
    async lockServer(id, reason) {
      const said = reason !== undefined && reason !== "" && atLeast(await client.microversion(), LOCK_REASON);
      await act(id, { lock: said ? { locked_reason: reason } : null }, true);
    },
    unlockServer: async (id) => void (await act(id, { unlock: null }, true)),
  };
}
