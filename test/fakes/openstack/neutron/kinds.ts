/** Every kind that the fake Neutron has from the start. */

import { FLOATING_IP } from "./floating-ips.ts";
import type { Kind } from "./kind.ts";
import { NETWORK } from "./networks.ts";
import { PORT } from "./ports.ts";
import { RBAC_POLICY } from "./rbac.ts";
import { ROUTER } from "./routers.ts";
import { SECURITY_GROUP_RULE } from "./security-group-rules.ts";
import { SECURITY_GROUP } from "./security-groups.ts";
import { ADDRESS_SCOPE, SUBNET_POOL } from "./subnet-pools.ts";
import { SUBNET } from "./subnets.ts";

export const KINDS: readonly Kind[] = [
  NETWORK,
  SUBNET,
  PORT,
  ROUTER,
  FLOATING_IP,
  SECURITY_GROUP,
  SECURITY_GROUP_RULE,
  ADDRESS_SCOPE,
  SUBNET_POOL,
  RBAC_POLICY,
];
