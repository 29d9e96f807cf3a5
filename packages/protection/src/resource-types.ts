/** Every resource type, in the order in which a restore names them. To add one: write its file, put it here. */

import { CodedError, type Json } from "@permafrost/std";
import { barbicanContainer } from "./barbican-container.ts";
import { barbicanSecret } from "./barbican-secret.ts";
import { cinderGroup } from "./cinder-group.ts";
import { cinderInventory } from "./cinder-inventory.ts";
import { cinderVolume } from "./cinder-volume.ts";
import { cinderVolumeType } from "./cinder-volume-type.ts";
import { designateZone } from "./designate-zone.ts";
import { fwaasGroup } from "./fwaas-group.ts";
import { fwaasPolicy } from "./fwaas-policy.ts";
import { fwaasRule } from "./fwaas-rule.ts";
import { glanceImage } from "./glance-image.ts";
import { keystoneGroup } from "./keystone-group.ts";
import { keystoneProject } from "./keystone-project.ts";
import { keystoneRoleAssignment } from "./keystone-role-assignment.ts";
import { keystoneUser } from "./keystone-user.ts";
import { neutronAddressGroup } from "./neutron-address-group.ts";
import { neutronAddressScope } from "./neutron-address-scope.ts";
import { neutronFloatingIp } from "./neutron-floating-ip.ts";
import { neutronLocalIp } from "./neutron-local-ip.ts";
import { neutronLog } from "./neutron-log.ts";
import { neutronMeteringLabel } from "./neutron-metering-label.ts";
import { neutronNdpProxy } from "./neutron-ndp-proxy.ts";
import { neutronNetwork } from "./neutron-network.ts";
import { neutronPort } from "./neutron-port.ts";
import { neutronQosPolicy } from "./neutron-qos-policy.ts";
import { neutronRbacPolicy } from "./neutron-rbac-policy.ts";
import { neutronRouter } from "./neutron-router.ts";
import { neutronSecurityGroup } from "./neutron-security-group.ts";
import { neutronSubnet } from "./neutron-subnet.ts";
import { neutronSubnetPool } from "./neutron-subnet-pool.ts";
import { neutronTrunk } from "./neutron-trunk.ts";
import { novaFlavor } from "./nova-flavor.ts";
import { novaKeypair } from "./nova-keypair.ts";
import { novaServer } from "./nova-server.ts";
import { novaServerGroup } from "./nova-server-group.ts";
import { novaUserKeypair } from "./nova-user-keypair.ts";
import { octaviaLoadBalancer } from "./octavia-load-balancer.ts";
import { quotas } from "./quotas.ts";
import type { ResourceType } from "./resource-type.ts";
import { swiftAccount } from "./swift-account.ts";
import { swiftContainer } from "./swift-container.ts";
import { vpnConnection } from "./vpn-connection.ts";
import { vpnEndpointGroup } from "./vpn-endpoint-group.ts";
import { vpnIkePolicy } from "./vpn-ike-policy.ts";
import { vpnIpsecPolicy } from "./vpn-ipsec-policy.ts";
import { vpnService } from "./vpn-service.ts";

/** Each type reads its own documents only, so the list forgets their shapes. */
function listed<D>(type: ResourceType<D>): ResourceType<Json> {
  return type as unknown as ResourceType<Json>;
}

export const resourceTypes: readonly ResourceType<Json>[] = [
  listed(keystoneProject),
  listed(keystoneUser),
  listed(keystoneGroup),
  listed(keystoneRoleAssignment),
  ...quotas.map(listed),
  listed(barbicanSecret),
  listed(barbicanContainer),
  listed(neutronAddressScope),
  listed(neutronSubnetPool),
  listed(neutronQosPolicy),
  listed(neutronAddressGroup),
  listed(neutronSecurityGroup),
  listed(neutronNetwork),
  listed(neutronSubnet),
  listed(neutronRouter),
  listed(neutronPort),
  listed(novaFlavor),
  listed(novaKeypair),
  listed(novaUserKeypair),
  listed(novaServerGroup),
  listed(neutronTrunk),
  listed(neutronLocalIp),
  listed(neutronNdpProxy),
  listed(neutronRbacPolicy),
  listed(neutronMeteringLabel),
  listed(glanceImage),
  listed(cinderVolumeType),
  listed(cinderGroup),
  listed(cinderVolume),
  ...cinderInventory.map(listed),
  listed(novaServer),
  listed(fwaasRule),
  listed(fwaasPolicy),
  listed(fwaasGroup),
  listed(neutronLog),
  listed(octaviaLoadBalancer),
  listed(neutronFloatingIp),
  listed(vpnIkePolicy),
  listed(vpnIpsecPolicy),
  listed(vpnEndpointGroup),
  listed(vpnService),
  listed(vpnConnection),
  listed(designateZone),
  listed(swiftContainer),
  listed(swiftAccount),
];

/** Throws RESOURCE_TYPE_UNKNOWN. */
export function resourceType(type: string): ResourceType<Json> {
  const found = resourceTypes.find((t) => t.type === type);
  if (found === undefined) {
    throw new CodedError("RESOURCE_TYPE_UNKNOWN", `This version of Permafrost does not know the resource type ${type}`, {
      facts: { type },
    });
  }
  return found;
}
