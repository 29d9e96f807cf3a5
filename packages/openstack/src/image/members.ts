/** Projects an image is shared with. Only images of visibility `shared` have members. https://docs.openstack.org/api-ref/image/v2/#sharing */

import type { ServiceClient } from "../http/service-client.ts";

export interface ImageMember {
  readonly memberId: string;
  readonly status: "pending" | "accepted" | "rejected";
}

export interface MembersApi {
  /** One answer, never paged; at most `image_member_quota` (128). */
  members(imageId: string): Promise<ImageMember[]>;
  /** CONFLICT if it is a member already. */
  addMember(imageId: string, memberId: string): Promise<ImageMember>;
  removeMember(imageId: string, memberId: string): Promise<void>;
  /** Only the member's own project may (glance policy `modify_member`), or an administrator. */
  setMemberStatus(imageId: string, memberId: string, status: ImageMember["status"]): Promise<ImageMember>;
}

interface WireMember {
  member_id: string;
  status: ImageMember["status"];
}

export function membersApi(client: ServiceClient): MembersApi {
  const path = (imageId: string) => `/images/${encodeURIComponent(imageId)}/members`;
  const fromWire = (wire: WireMember): ImageMember => ({ memberId: wire.member_id, status: wire.status });
  return {
    async members(imageId) {
      const body = await client.json<{ members: WireMember[] }>({ method: "GET", path: path(imageId), expect: [200] });
      return body.members.map(fromWire);
    },
    async addMember(imageId, memberId) {
      return fromWire(await client.json({ method: "POST", path: path(imageId), json: { member: memberId }, expect: [200] }));
    },
    async removeMember(imageId, memberId) {
      await client.send({ method: "DELETE", path: `${path(imageId)}/${encodeURIComponent(memberId)}`, expect: [204, 404] });
    },
    async setMemberStatus(imageId, memberId, status) {
      return fromWire(
        await client.json({
          method: "PUT",
          path: `${path(imageId)}/${encodeURIComponent(memberId)}`,
          json: { status },
          expect: [200],
        }),
      );
    },
  };
}
