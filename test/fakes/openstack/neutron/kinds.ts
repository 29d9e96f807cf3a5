/** Every kind that the fake Neutron has from the start. */

import { ADDRESS_GROUP } from "./address-groups.ts";
import { FLOATING_IP } from "./floating-ips.ts";
import { CONNTRACK_HELPER, NDP_PROXY, PORT_FORWARDING } from "./forwardings.ts";
import type { Kind } from "./kind.ts";
import { NETWORK } from "./networks.ts";
import { PORT } from "./ports.ts";
import { POLICY, QOS_RULES } from "./qos.ts";
import { RBAC_POLICY } from "./rbac.ts";
import { ROUTER } from "./routers.ts";
import { SECURITY_GROUP_RULE } from "./security-group-rules.ts";
import { SECURITY_GROUP } from "./security-groups.ts";
import {
  LOCAL_IP,
  LOCAL_IP_ASSOCIATION,
  LOG,
  LOGGABLE,
  METERING_LABEL,
  METERING_LABEL_RULE,
  NETWORK_FLAVOR,
  NETWORK_ZONE,
  SERVICE_PROVIDER,
} from "./services.ts";
import { ADDRESS_SCOPE, SUBNET_POOL } from "./subnet-pools.ts";
import { SUBNET } from "./subnets.ts";
import { TRUNK } from "./trunks.ts";

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
  ADDRESS_GROUP,
  POLICY,
  ...QOS_RULES,
  TRUNK,
  PORT_FORWARDING,
  CONNTRACK_HELPER,
  NDP_PROXY,
  METERING_LABEL,
  METERING_LABEL_RULE,
  LOG,
  LOGGABLE,
  LOCAL_IP,
  LOCAL_IP_ASSOCIATION,
  NETWORK_FLAVOR,
  SERVICE_PROVIDER,
  NETWORK_ZONE,
];
