/** `networks` of a server request: ports, networks by id, `auto`, `none` or nothing, checked as Nova checks them. */

import { UUID } from "../ids.ts";
import { fail, type NovaCall } from "./nova-call.ts";
import type { NovaState } from "./nova-state.ts";

export interface WantedNic {
  readonly portId: string | null;
  readonly networkId: string | null;
  readonly fixedIp: string | undefined;
  readonly tag: string | null;
}

export interface NetworkRequest {
  readonly nics: readonly WantedNic[];
  /** Asks Neutron; done after the image and the flavor were found. */
  check(servers: number): void;
}

export function requestedNetworks(state: NovaState, context: NovaCall, asked: unknown): NetworkRequest {
  const nics: WantedNic[] = [];
  const implicit = asked === undefined || asked === "auto" || (Array.isArray(asked) && asked.length === 0);
  if (Array.isArray(asked)) {
    for (const each of asked as { port?: string | null; uuid?: string; fixed_ip?: string; tag?: string }[]) {
      const portId = each.port ?? null;
      const tag = each.tag ?? null;
      if (portId !== null) {
        if (nics.some((nic) => nic.portId === portId))
          fail(400, `Port ID '${portId}' was specified twice: you cannot attach a port multiple times.`);
        if (each.fixed_ip !== undefined)
          fail(
            400,
            `Specified Fixed IP '${each.fixed_ip}' cannot be used with port '${portId}': the two cannot be specified together.`,
          );
        nics.push({ portId, networkId: null, fixedIp: undefined, tag });
        continue;
      }
      if (each.uuid === undefined) fail(400, "Bad network format: missing 'uuid'");
      if (!UUID.test(each.uuid)) fail(400, `Bad networks format: network uuid is not in proper format (${each.uuid})`);
      nics.push({ portId: null, networkId: each.uuid, fixedIp: each.fixed_ip, tag });
    }
  }
  const check = (servers: number) => {
    for (const nic of nics) checkNic(state, context, nic, servers);
    if (!implicit) return;
    const own = state.networks.availableNetworks(context.token);
    if (own.length > 1) fail(409, "Multiple possible networks found, use a Network ID to be more specific.");
    if (own.length === 0 && asked === "auto")
      fail(400, `Unable to automatically allocate a network for project ${context.projectId}`);
    for (const networkId of own) nics.push({ portId: null, networkId, fixedIp: undefined, tag: null });
  };
  return { nics, check };
}

function checkNic(state: NovaState, context: NovaCall, nic: WantedNic, servers: number): void {
  if (nic.portId === null) {
    if (nic.networkId !== null && state.networks.network(context.token, nic.networkId) === undefined)
      fail(400, `Network ${nic.networkId} could not be found.`);
    if (servers > 1 && nic.fixedIp !== undefined)
      fail(400, "Invalid input received: max_count cannot be greater than 1 if an fixed_ip is specified.");
    return;
  }
  if (servers > 1) {
    fail(
      400,
      "Unable to launch multiple instances with a single configured port ID. Please launch your instance one by one with different ports.",
    );
  }
  const port = state.networks.port(context.token, nic.portId);
  if (port === undefined) fail(400, `Port id ${nic.portId} could not be found.`);
  if (port.deviceId !== "") fail(409, `Port ${nic.portId} is still in use.`);
  if (!port.hasFixedIp) fail(400, `Port ${nic.portId} requires a FixedIP in order to be used.`);
}
