/** Keystone v3: who we are, projects, roles. Listings need an administrator; `whoAmI` and `ownProjects` need nobody. */

import type { KeystoneSession } from "../auth/session.ts";
import type { ServiceClient } from "../http/service-client.ts";
import { type AssignmentsApi, assignmentsApi } from "./assignments.ts";
import { type PeopleApi, peopleApi } from "./people.ts";
import { type ProjectsApi, projectsApi } from "./projects.ts";
import { type RolesApi, rolesApi } from "./roles.ts";
import { type WhoAmI, whoAmI } from "./who-am-i.ts";

export interface IdentityService extends ProjectsApi, RolesApi, PeopleApi, AssignmentsApi {
  readonly client: ServiceClient;
  /** From the token: no further call. */
  whoAmI(signal?: AbortSignal): Promise<WhoAmI>;
}

export function identityService(client: ServiceClient, session: KeystoneSession): IdentityService {
  return {
    client,
    ...projectsApi(client),
    ...rolesApi(client),
    ...peopleApi(client),
    ...assignmentsApi(client),
    whoAmI: async (signal) => whoAmI(await session.token(signal)),
  };
}
