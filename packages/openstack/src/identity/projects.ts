/** Keystone v3 projects. https://docs.openstack.org/api-ref/identity/v3/#projects */

import { CodedError, type JsonObject } from "@permafrost/std";
import { linkQuery, listAll } from "../http/pager.ts";
import type { ServiceClient } from "../http/service-client.ts";

export interface Project {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly domainId: string;
  readonly parentId: string | undefined;
  readonly enabled: boolean;
  readonly tags: readonly string[];
  /** Such as `immutable`. */
  readonly options: JsonObject;
}

export interface ProjectsApi {
  getProject(id: string): Promise<Project>;
  /** By name or id, among all with an administrator's role, else among the user's own. Throws PROJECT_UNKNOWN; CONFLICT if domains share the name. */
  findProject(nameOrId: string, domainId?: string): Promise<Project>;
  /** Needs `identity:list_projects`, an administrator's. */
  listProjects(query?: {
    readonly domainId?: string;
    readonly name?: string;
    readonly enabled?: boolean;
  }): AsyncIterable<Project>;
  /** Projects the user has a role on. */
  ownProjects(): AsyncIterable<Project>;
  createProject(fields: {
    readonly name: string;
    readonly domainId: string;
    readonly description?: string;
    readonly parentId?: string;
    readonly tags?: readonly string[];
  }): Promise<Project>;
  /** Only what is given. Options are replaced one by one. */
  updateProject(
    id: string,
    changes: { readonly description?: string; readonly tags?: readonly string[]; readonly options?: JsonObject },
  ): Promise<Project>;
  /** Already gone is success. */
  deleteProject(id: string): Promise<void>;
}

interface WireProject {
  id: string;
  name: string;
  description?: string | null;
  domain_id: string;
  parent_id?: string | null;
  enabled?: boolean;
  tags?: string[];
  options?: JsonObject;
}

interface ProjectPage {
  projects: WireProject[];
  links?: { next?: string | null };
}

export function projectsApi(client: ServiceClient): ProjectsApi {
  async function* pages(path: string, query: Record<string, string | boolean | undefined>): AsyncGenerator<Project> {
    const found = listAll<ProjectPage, WireProject>(client, {
      path,
      query,
      expect: [200],
      items: (page) => page.projects,
      next: (page) => linkQuery(page.links?.next),
    });
    for await (const wire of found) yield fromWire(wire);
  }
  const api: ProjectsApi = {
    async getProject(id) {
      const body = await client.json<{ project: WireProject }>({
        method: "GET",
        path: `/projects/${encodeURIComponent(id)}`,
        expect: [200],
      });
      return fromWire(body.project);
    },
    async findProject(nameOrId, domainId) {
      const named = await matching(client, api, nameOrId, domainId);
      if (named.length === 1 && named[0] !== undefined) return named[0];
      if (named.length > 1) {
        throw new CodedError("CONFLICT", `${named.length} projects are named ${nameOrId}`, {
          facts: { project: nameOrId, ids: named.map((p) => p.id).join(", ") },
          hint: "Give the project's id.",
        });
      }
      try {
        return await api.getProject(nameOrId);
      } catch (error) {
        if (!CodedError.is(error, "NOT_FOUND") && !CodedError.is(error, "FORBIDDEN")) throw error;
        throw new CodedError("PROJECT_UNKNOWN", `there is no project ${nameOrId}, or it may not be seen`, {
          facts: { project: nameOrId },
          cause: error,
        });
      }
    },
    listProjects: (query = {}) => pages("/projects", { domain_id: query.domainId, name: query.name, enabled: query.enabled }),
    ownProjects: () => pages("/auth/projects", {}),
    async createProject(fields) {
      const project = {
        name: fields.name,
        domain_id: fields.domainId,
        description: fields.description ?? "",
        ...(fields.parentId === undefined ? {} : { parent_id: fields.parentId }),
        ...(fields.tags === undefined ? {} : { tags: fields.tags }),
      };
      return fromWire(
        (await client.json<{ project: WireProject }>({ method: "POST", path: "/projects", json: { project }, expect: [201] }))
          .project,
      );
    },
    async updateProject(id, changes) {
      const path = `/projects/${encodeURIComponent(id)}`;
      const body = { method: "PATCH", path, json: { project: changes }, expect: [200], idempotent: true } as const;
      return fromWire((await client.json<{ project: WireProject }>(body)).project);
    },
    async deleteProject(id) {
      await client.send({ method: "DELETE", path: `/projects/${encodeURIComponent(id)}`, expect: [204, 404] });
    },
  };
  return api;
}

async function matching(client: ServiceClient, api: ProjectsApi, name: string, domainId: string | undefined): Promise<Project[]> {
  const fits = (p: Project) => p.name === name && (domainId === undefined || p.domainId === domainId);
  try {
    return (await Array.fromAsync(api.listProjects({ name, ...(domainId === undefined ? {} : { domainId }) }))).filter(fits);
  } catch (error) {
    if (!CodedError.is(error, "FORBIDDEN")) throw error;
    return (await Array.fromAsync(projectsApi(client).ownProjects())).filter(fits);
  }
}

function fromWire(wire: WireProject): Project {
  return {
    id: wire.id,
    name: wire.name,
    description: wire.description ?? "",
    domainId: wire.domain_id,
    parentId: wire.parent_id ?? undefined,
    enabled: wire.enabled ?? true,
    tags: wire.tags ?? [],
    options: wire.options ?? {},
  };
}
