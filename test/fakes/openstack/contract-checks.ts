/** Every check of the contract, in the order in which they are made. */

import type { Check } from "./contract.ts";
import { barbicanChecks } from "./contract-barbican.ts";
import { cinderChecks } from "./contract-cinder.ts";
import { cinderActionChecks } from "./contract-cinder-actions.ts";
import { cinderGroupChecks } from "./contract-cinder-groups.ts";
import { cinderKeepingChecks } from "./contract-cinder-keeping.ts";
import { cinderTypeChecks } from "./contract-cinder-types.ts";
import { designateChecks } from "./contract-designate.ts";
import { firewallChecks } from "./contract-firewall.ts";
import { glanceChecks } from "./contract-glance.ts";
import { keystoneChecks } from "./contract-keystone.ts";
import { neutronChecks } from "./contract-neutron.ts";
import { neutronForwardingChecks } from "./contract-neutron-forwardings.ts";
import { neutronQosChecks } from "./contract-neutron-qos.ts";
import { neutronRouterChecks } from "./contract-neutron-routers.ts";
import { neutronSharingChecks } from "./contract-neutron-sharing.ts";
import { neutronTrunkChecks } from "./contract-neutron-trunks.ts";
import { neutronWatchingChecks } from "./contract-neutron-watching.ts";
import { novaChecks } from "./contract-nova.ts";
import { novaDiskChecks } from "./contract-nova-disks.ts";
import { novaNetworkChecks } from "./contract-nova-networks.ts";
import { novaServerChecks } from "./contract-nova-servers.ts";
import { novaVolumeChecks } from "./contract-nova-volumes.ts";
import { octaviaChecks } from "./contract-octavia.ts";
import { octaviaTreeChecks } from "./contract-octavia-trees.ts";
import { swiftChecks } from "./contract-swift.ts";
import { swiftVersionChecks } from "./contract-swift-versions.ts";
import { vpnChecks } from "./contract-vpnaas.ts";

export const CHECKS: readonly Check[] = [
  ...keystoneChecks,
  ...glanceChecks,
  ...cinderChecks,
  ...cinderTypeChecks,
  ...cinderGroupChecks,
  ...cinderKeepingChecks,
  ...cinderActionChecks,
  ...swiftChecks,
  ...novaChecks,
  ...novaServerChecks,
  ...novaVolumeChecks,
  ...novaDiskChecks,
  ...novaNetworkChecks,
  ...barbicanChecks,
  ...swiftVersionChecks,
  ...designateChecks,
  ...neutronChecks,
  ...neutronRouterChecks,
  ...neutronSharingChecks,
  ...neutronTrunkChecks,
  ...neutronQosChecks,
  ...neutronWatchingChecks,
  ...neutronForwardingChecks,
  ...firewallChecks,
  ...vpnChecks,
  ...octaviaChecks,
  ...octaviaTreeChecks,
];
