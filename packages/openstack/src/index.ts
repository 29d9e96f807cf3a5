export type { CatalogEndpoint, CatalogEntry } from "./auth/catalog.ts";
export type { ServiceType } from "./auth/service-types.ts";
export type { NamedRef } from "./auth/token.ts";
export { type Cloud, type OpenCloudOptions, openCloud, withProject } from "./cloud.ts";
export { KEYPAIRS, SERVER_GROUPS } from "./compute/compute-offers.ts";
export type { ComputeService } from "./compute/compute-service.ts";
export { snapshotNameOf } from "./compute/server-actions.ts";
export type { CloudConfig, Credential, DomainRef, EndpointInterface, ProjectRef, Scope } from "./config/cloud-config.ts";
export { ENVIRONMENT_CLOUD, type Environment, type LoadCloudOptions, listClouds, loadCloud } from "./config/load-cloud.ts";
export { RECORD_SETS, ZONES } from "./dns/dns.ts";
export { OPENSTACK_ERROR_CODES, type OpenStackErrorCode } from "./errors.ts";
export { FIREWALL_GROUPS, FIREWALL_POLICIES, FIREWALL_RULES } from "./firewall/firewall.ts";
export { type Download, type DownloadRequest, openDownload, type SourceHash } from "./http/download.ts";
export type { ExchangeReply, HeaderMap, HttpMethod } from "./http/exchange.ts";
export { atLeast, compareMicroversions } from "./http/microversion.ts";
export { type Listing, linkQuery, listAll, nextOf } from "./http/pager.ts";
export type { RetryPolicy } from "./http/retry-policy.ts";
export type { Query, ServiceCall, ServiceClient, ServiceReply } from "./http/service-client.ts";
export type { AgentOptions, RequestBody } from "./http/transport.ts";
export type { RoleAssignment } from "./identity/assignments.ts";
export type { IdentityService } from "./identity/identity-service.ts";
export type { Project } from "./identity/projects.ts";
export type { WhoAmI } from "./identity/who-am-i.ts";
export type { ImageDownloadOptions, ImageUploadOptions } from "./image/image-data.ts";
export type { ImageService } from "./image/image-service.ts";
export type { Image, ImageChanges, ImageFields, ImageQuery } from "./image/images.ts";
export type { ImageMember } from "./image/members.ts";
export {
  type KeyManagerKind,
  keyManagerHref,
  parseKeyManagerHref,
  readAcl,
  readSecretMetadata,
  readSecretPayload,
  SECRET_CONTAINERS,
  SECRETS,
  setAcl,
  setSecretMetadata,
} from "./key-manager/key-manager.ts";
export {
  HEALTH_MONITORS,
  L7_POLICIES,
  L7_RULES,
  LISTENERS,
  LOAD_BALANCER_FLAVORS,
  LOAD_BALANCER_PROVIDERS,
  LOAD_BALANCER_ZONES,
  LOAD_BALANCERS,
  POOL_MEMBERS,
  POOLS,
} from "./load-balancer/load-balancer.ts";
export type { CloudLogger } from "./logger.ts";
export { LOCAL_IP_ASSOCIATIONS, LOCAL_IPS } from "./network/local-ips.ts";
export { LOGGABLE_RESOURCES, METERING_LABEL_RULES, METERING_LABELS, NETWORK_LOGS } from "./network/metering.ts";
export { ADDRESS_SCOPES, NETWORK_ZONES, NETWORKS, PORTS, SUBNET_POOLS, SUBNETS } from "./network/networks.ts";
export { QOS_POLICIES, QOS_RULES } from "./network/qos.ts";
export { RBAC_POLICIES } from "./network/rbac-policies.ts";
export { CONNTRACK_HELPERS, FLOATING_IPS, NDP_PROXIES, NETWORK_FLAVORS, PORT_FORWARDINGS, ROUTERS } from "./network/routers.ts";
export { ADDRESS_GROUPS, SECURITY_GROUP_RULES, SECURITY_GROUPS } from "./network/security-groups.ts";
export { TRUNKS } from "./network/trunks.ts";
export type { Account, ListedContainer, SwiftInfo } from "./object/account.ts";
export type { Container, ListedObject, ListedVersion } from "./object/containers.ts";
export type { ObjectService } from "./object/object-service.ts";
export type { GetObjectOptions, ObjectHeaders, PutObjectOptions } from "./object/objects.ts";
export { type ApiObject, type Collection, type CollectionSpec, openCollection } from "./rest/collection.ts";
export type { UploadToImageFields } from "./volume/volume-actions.ts";
export {
  GROUP_SNAPSHOT_DETAILS,
  SNAPSHOT_DETAILS,
  VOLUME_BACKUP_DETAILS,
  VOLUME_TRANSFER_DETAILS,
} from "./volume/volume-inventory.ts";
export type { AvailabilityZone, QuotaUse, VolumeType } from "./volume/volume-offers.ts";
export type { VolumeService } from "./volume/volume-service.ts";
export type { SnapshotFields, SnapshotQuery, VolumeSnapshot } from "./volume/volume-snapshots.ts";
export type { Volume, VolumeFields, VolumeQuery } from "./volume/volumes.ts";
export { IKE_POLICIES, IPSEC_POLICIES, VPN_CONNECTIONS, VPN_ENDPOINT_GROUPS, VPN_SERVICES } from "./vpn/vpn.ts";
export { deadlineMs, type Waiter, type WaitOptions, waitForStatus, waitUntilGone } from "./wait.ts";
