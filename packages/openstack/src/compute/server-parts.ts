/** What belongs to a server: its volumes and its network interfaces. https://docs.openstack.org/api-ref/compute/#servers-with-volume-attachments-servers-os-volume-attachments */

import { atLeast } from "../http/microversion.ts";
import { listAll } from "../http/pager.ts";
import type { ServiceClient } from "../http/service-client.ts";
import type { ApiObject } from "../rest/collection.ts";

export interface ServerPartsApi {
  /** `volumeId`, `device`, from 2.70 `tag`, from 2.79 `delete_on_termination`. */
  volumeAttachments(serverId: string): Promise<ApiObject[]>;
  /** `port_id`, `net_id`, `mac_addr`, `fixed_ips`, from 2.70 `tag`. In no order. */
  interfaces(serverId: string): Promise<ApiObject[]>;
  /** Whether a volume goes with its server. False: this Nova cannot change it (before 2.85). */
  setDeleteOnTermination(serverId: string, volumeId: string, goesWithServer: boolean): Promise<boolean>;
}

const ATTACHMENT_UPDATE = "2.85";

export function serverPartsApi(client: ServiceClient): ServerPartsApi {
  const path = (id: string, part: string) => `/servers/${encodeURIComponent(id)}/${part}`;
  return {
    volumeAttachments: async (serverId) =>
      await Array.fromAsync(
        listAll<{ volumeAttachments: ApiObject[] }, ApiObject>(client, {
          path: path(serverId, "os-volume_attachments"),
          expect: [200],
          items: (page) => page.volumeAttachments,
          next: () => undefined,
        }),
      ),
    interfaces: async (serverId) =>
      await Array.fromAsync(
        listAll<{ interfaceAttachments: ApiObject[] }, ApiObject>(client, {
          path: path(serverId, "os-interface"),
          expect: [200],
          items: (page) => page.interfaceAttachments,
          next: () => undefined,
        }),
      ),
    async setDeleteOnTermination(serverId, volumeId, goesWithServer) {
      if (!atLeast(await client.microversion(), ATTACHMENT_UPDATE)) return false;
      await client.send({
        method: "PUT",
        path: `${path(serverId, "os-volume_attachments")}/${encodeURIComponent(volumeId)}`,
        json: { volumeAttachment: { volumeId, delete_on_termination: goesWithServer } },
        expect: [202],
      });
      return true;
    },
  };
}
