/** Which domain of the target a user or group of the source belongs to: mapped by name, else of the same name, else the target project's own. */

import type { RestoreMaps } from "@permafrost/model";
import type { Cloud } from "@permafrost/openstack";
import { CodedError } from "@permafrost/std";

/** Only an administrator may make users, groups and assignments, and look other people up. */
export const NEEDS_ADMIN = "Keystone lets only an administrator do this";

export function mayAdministrate(cloud: Cloud): boolean {
  return cloud.roles.has("admin");
}

/** The domain's id. Throws MAP_TARGET_UNKNOWN if the user mapped it to one that is not there. */
export async function targetDomain(cloud: Cloud, maps: RestoreMaps, sourceDomainName: string): Promise<string> {
  const map = maps.domain ?? {};
  const mapped = map[sourceDomainName] ?? map["*"];
  const wanted = mapped ?? sourceDomainName;
  for await (const domain of cloud.identity.domains.list({ name: wanted })) if (domain.name === wanted) return String(domain.id);
  if (mapped !== undefined)
    throw new CodedError("MAP_TARGET_UNKNOWN", `The target has no domain ${mapped}, to which ${sourceDomainName} is mapped`, {
      facts: { kind: "domain", source: sourceDomainName, target: mapped },
      hint: `Change --map domain:${sourceDomainName}=${mapped}.`,
    });
  const own = (await cloud.identity.whoAmI()).project?.domain.id;
  if (own === undefined) throw new CodedError("PROJECT_UNKNOWN", "The credentials are not scoped to a project");
  return own;
}
