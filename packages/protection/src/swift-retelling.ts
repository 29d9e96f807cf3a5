/**
 * What a container or object says of other containers, projects and users, as the target is to say it: a prefix before every container's
 * name, the project that is restored in place of its source, others by the user's map.
 */

import type { RestoreOptions } from "@permafrost/model";
import type { Cloud } from "@permafrost/openstack";

/** Where a container was; kept in its document. */
export type SwiftSource = {
  readonly account: string;
  readonly projectId: string;
  readonly projectName: string;
};

export interface Retelling {
  /** Before the names of containers. */
  readonly prefix: string;
  /** The project's name or id in the target, for one of the source's. */
  readonly project: (nameOrId: string) => string;
  readonly user: (nameOrId: string) => string;
  /** The account in the target; undefined for the container's own, which need not be said. */
  readonly account: (name: string) => string | undefined;
}

export async function sourceOf(cloud: Cloud): Promise<SwiftSource> {
  return { account: await cloud.object.accountName(), projectId: cloud.projectId, projectName: cloud.projectName };
}

/** `source` is absent in documents of older backups. */
export function retelling(
  here: SwiftSource,
  source: SwiftSource | undefined,
  options: Pick<RestoreOptions, "maps" | "namePrefix">,
  targets: Readonly<Record<string, string>>,
): Retelling {
  const map = options.maps.project;
  const project = (nameOrId: string): string => {
    const mapped = map?.[nameOrId];
    if (mapped !== undefined) return mapped;
    if (nameOrId === source?.projectId) return here.projectId;
    return nameOrId === source?.projectName ? here.projectName : nameOrId;
  };
  const reseller = (of: SwiftSource) => of.account.slice(0, -of.projectId.length);
  return {
    prefix: options.namePrefix ?? "",
    project,
    user: (nameOrId) => options.maps["keystone.user"]?.[nameOrId] ?? targets[`keystone.user/${nameOrId}`] ?? nameOrId,
    account: (name) => {
      if (source === undefined) return name;
      if (name === source.account) return undefined;
      const mine = reseller(source);
      return name.startsWith(mine) ? reseller(here) + project(name.slice(mine.length)) : name;
    },
  };
}

/** An access list: `project:user`, a role, a referrer such as `.r:*`, or `.rlistings`. */
export function retoldAcl(list: string, { project, user }: Retelling): string {
  return list
    .split(",")
    .map((entry) =>
      entry.trim().startsWith(".")
        ? entry
        : entry.replace(/^([^:]+):(.*)$/, (_, who: string, whom: string) => `${project(who.trim())}:${user(whom.trim())}`),
    )
    .join(",");
}
