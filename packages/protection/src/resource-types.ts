/** Every resource type, in the order in which a restore names them. To add one: write its file, put it here. */

import { CodedError, type Json } from "@permafrost/std";
import { cinderVolume } from "./cinder-volume.ts";
import { glanceImage } from "./glance-image.ts";
import { keystoneGroup } from "./keystone-group.ts";
import { keystoneProject } from "./keystone-project.ts";
import { keystoneRoleAssignment } from "./keystone-role-assignment.ts";
import { keystoneUser } from "./keystone-user.ts";
import { quotas } from "./quotas.ts";
import type { ResourceType } from "./resource-type.ts";
import { swiftContainer } from "./swift-container.ts";

/** Each type reads its own documents only, so the list forgets their shapes. */
function listed<D>(type: ResourceType<D>): ResourceType<Json> {
  return type as unknown as ResourceType<Json>;
}

export const resourceTypes: readonly ResourceType<Json>[] = [
  listed(keystoneProject),
  listed(keystoneUser),
  listed(keystoneGroup),
  listed(keystoneRoleAssignment),
  ...quotas.map(listed),
  listed(glanceImage),
  listed(cinderVolume),
  listed(swiftContainer),
];

/** Throws RESOURCE_TYPE_UNKNOWN. */
export function resourceType(type: string): ResourceType<Json> {
  const found = resourceTypes.find((t) => t.type === type);
  if (found === undefined) {
    throw new CodedError("RESOURCE_TYPE_UNKNOWN", `This version of Permafrost does not know the resource type ${type}`, {
      facts: { type },
    });
  }
  return found;
}
