/**
 * Nova v2.1 as one object: servers, their actions and parts, and what is on offer, put together from their files.
 * Has no behaviour of its own.
 */

import type { ServiceClient } from "../http/service-client.ts";
import { type ComputeOffersApi, computeOffersApi } from "./compute-offers.ts";
import { type ServerActionsApi, serverActionsApi } from "./server-actions.ts";
import { type ServerPartsApi, serverPartsApi } from "./server-parts.ts";
import { type ServersApi, serversApi } from "./servers.ts";

export interface ComputeService extends ServersApi, ServerActionsApi, ServerPartsApi, ComputeOffersApi {
  readonly client: ServiceClient;
}

export function computeService(client: ServiceClient): ComputeService {
  return { client, ...serversApi(client), ...serverActionsApi(client), ...serverPartsApi(client), ...computeOffersApi(client) };
}
