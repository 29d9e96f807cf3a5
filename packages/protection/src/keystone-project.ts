/**
 * keystone.project: the project itself. It is there before anything is restored into it, so a restore only changes it, and
 * only when it is the one that was captured or was made again under its name: another project keeps its own description and tags.
 */

import { EMPTY_STATS } from "@permafrost/model";
import type { Project } from "@permafrost/openstack";
import type { JsonObject } from "@permafrost/std";
import { fieldDifferences } from "./compare.ts";
import { mayAdministrate, NEEDS_ADMIN } from "./keystone-domain.ts";
import type {
  Context,
  Found,
  PlanInput,
  Planned,
  ResourceType,
  Restored,
  RestoreInput,
  UndoInput,
  VerifyInput,
} from "./resource-type.ts";

/** Document version 1. */
export type ProjectDocument = {
  readonly version: 1;
  readonly name: string;
  readonly description: string;
  readonly enabled: boolean;
  readonly tags: readonly string[];
  readonly options: JsonObject;
  readonly domainName: string;
  /** "" for a project at the top of its domain, or when the parent may not be seen. */
  readonly parentName: string;
};

export const keystoneProject: ResourceType<ProjectDocument> = {
  type: "keystone.project",

  async *discover({ cloud, nameOf }: Context): AsyncIterable<Found> {
    const project = await cloud.identity.getProject(cloud.projectId);
    const { parentId, domainId } = project;
    const parentName = parentId === undefined || parentId === domainId ? "" : await nameOf("project", parentId);
    yield {
      id: project.id,
      name: project.name,
      document: describe(project, cloud.projectDomainName, parentName),
      logicalBytes: 0,
      captures: false,
      freezes: false,
    };
  },

  async plan({ cloud }: Context, { document }: PlanInput<ProjectDocument>): Promise<Planned> {
    const targetId = cloud.projectId;
    const skip = (reason: string): Planned => ({ action: "skip", reason, dependsOn: [], targetId });
    if (document.name !== cloud.projectName)
      return skip(`restored into ${cloud.projectName}, which keeps what it says of itself`);
    const there = describe(await cloud.identity.getProject(targetId), cloud.projectDomainName, document.parentName);
    const differences = fieldDifferences(comparable(document), comparable(there));
    if (differences.length === 0) return { action: "reuse", reason: "as it was captured", dependsOn: [], targetId };
    if (!mayAdministrate(cloud)) return skip(`${NEEDS_ADMIN}: ${differences.join("; ")}`);
    return { action: "update", reason: differences.join("; "), dependsOn: [], targetId };
  },

  async restore({ cloud, journal }: Context, { resource, document }: RestoreInput<ProjectDocument>): Promise<Restored> {
    if (resource.action === "update") {
      const { description, tags, options } = await cloud.identity.getProject(cloud.projectId);
      await journal.noteChanged(resource.type, resource.id, cloud.projectId, { description, tags, options });
      await cloud.identity.updateProject(cloud.projectId, comparable(document));
    }
    return { targetId: cloud.projectId, stats: EMPTY_STATS };
  },

  async verify({ cloud }: Context, { document }: VerifyInput<ProjectDocument>) {
    const there = describe(await cloud.identity.getProject(cloud.projectId), cloud.projectDomainName, document.parentName);
    return { level: "metadata" as const, mismatches: fieldDifferences(comparable(document), comparable(there)) };
  },

  /** A restore never makes a project. */
  async undo({ cloud }: Context, { targetId, before }: UndoInput<ProjectDocument>): Promise<void> {
    if (before !== undefined) await cloud.identity.updateProject(targetId, before as ReturnType<typeof comparable>);
  },

  coverage: {
    captured: ["name", "description", "enabled", "tags", "options", "domain", "parent"],
    restored: ["description", "tags", "options"],
    roles: { capture: "reader", restore: "admin" },
    reported: {
      "name, domain, parent, enabled": "the project exists before anything can be restored into it",
      "description, tags, options": "kept as they are in a project of another name",
    },
  },
};

function describe(project: Project, domainName: string, parentName: string): ProjectDocument {
  const { name, description, enabled, tags, options } = project;
  return { version: 1, name, description, enabled, tags: [...tags].sort(), options, domainName, parentName };
}

function comparable({ description, tags, options }: ProjectDocument) {
  return { description, tags, options };
}
