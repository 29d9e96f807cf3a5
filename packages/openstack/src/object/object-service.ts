/** Swift as one object, for the account of the token's project or of another. */

import type { ServiceClient } from "../http/service-client.ts";
import { type AccountApi, accountApi } from "./account.ts";
import { type ContainersApi, containersApi } from "./containers.ts";
import { type ObjectsApi, objectsApi } from "./objects.ts";

export interface ObjectService extends AccountApi, ContainersApi, ObjectsApi {
  readonly client: ServiceClient;
  /** The account of another project, for a reseller administrator. */
  accountOf(projectId: string): Promise<ObjectService>;
}

export function objectService(client: ServiceClient): ObjectService {
  return {
    client,
    ...accountApi(client),
    ...containersApi(client),
    ...objectsApi(client),
    async accountOf(projectId) {
      // `…/v1/AUTH_<project>`: the prefix is the reseller's and stays.
      const endpoint = await client.endpoint();
      return objectService(
        client.at(endpoint.replace(/(\/[^/]*_)?[^/_]+$/, (_, prefix: string | undefined) => `${prefix ?? "/AUTH_"}${projectId}`)),
      );
    },
  };
}
