/**
 * One cloud as one user in one project: what callers hold. Opening it logs in, so a wrong credential or project fails here and not
 * in the middle of a session. All services share one token and one pool of connections.
 */

import { type Clock, CodedError, type Random } from "@permafrost/std";
import { findEndpoint } from "./auth/catalog.ts";
import type { ServiceType } from "./auth/service-types.ts";
import { openSession } from "./auth/session.ts";
import { type ComputeService, computeService } from "./compute/compute-service.ts";
import type { CloudConfig, DomainRef, ProjectRef } from "./config/cloud-config.ts";
import { openServiceClient, type ServiceClient } from "./http/service-client.ts";
import { type AgentOptions, openTransport } from "./http/transport.ts";
import { type IdentityService, identityService } from "./identity/identity-service.ts";
import { type ImageService, imageService } from "./image/image-service.ts";
import { type CloudLogger, silentLogger } from "./logger.ts";
import { networkExtensions } from "./network/extensions.ts";
import { type ObjectService, objectService } from "./object/object-service.ts";
import { type Collection, type CollectionSpec, openCollection } from "./rest/collection.ts";
import { type VolumeService, volumeService } from "./volume/volume-service.ts";

export interface OpenCloudOptions {
  /** Instead of the configuration's project; a text is a name in the configuration's domain, or an id. */
  readonly project?: string | ProjectRef | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger?: CloudLogger | undefined;
  readonly agentOptions?: AgentOptions | undefined;
}

export interface Cloud {
  readonly name: string;
  readonly identity: IdentityService;
  readonly image: ImageService;
  readonly volume: VolumeService;
  readonly object: ObjectService;
  readonly compute: ComputeService;
  readonly projectId: string;
  readonly projectName: string;
  readonly projectDomainName: string;
  readonly userId: string;
  readonly userName: string;
  readonly region: string | undefined;
  /** Names of the roles that the credentials have on the project. */
  readonly roles: ReadonlySet<string>;
  /** Whether the catalog has the service for this region and interface. */
  hasService(type: ServiceType): Promise<boolean>;
  /** A client for any service of the catalog; SERVICE_MISSING comes with its first call. */
  service(type: ServiceType): ServiceClient;
  /** A collection of plain objects; `parentId` fills the `{parent}` of its path. */
  collection(spec: CollectionSpec, parentId?: string): Collection;
  /** Neutron's extension aliases, asked once. Throws SERVICE_MISSING. */
  networkExtensions(): Promise<ReadonlySet<string>>;
  /** Ends all connections; calls under way fail. */
  close(): Promise<void>;
}

/** Logs in. Throws AUTH_FAILED, PROJECT_UNKNOWN, CLOUD_UNREACHABLE, BAD_RESPONSE. */
export async function openCloud(config: CloudConfig, options: OpenCloudOptions): Promise<Cloud> {
  const scoped = withProject(config, options.project);
  const transport = openTransport(scoped, {
    clock: options.clock,
    random: options.random,
    logger: options.logger ?? silentLogger,
    agentOptions: options.agentOptions,
  });
  try {
    const session = openSession(transport, scoped);
    const token = await session.token();
    if (token.project === undefined && scoped.scope.kind === "unscoped") {
      throw new CodedError("PROJECT_UNKNOWN", `cloud ${scoped.name} names no project for ${scoped.credential.label}`, {
        facts: { cloud: scoped.name, user: scoped.credential.label },
        hint: "Set project_name (or OS_PROJECT_NAME), or name the project in the command.",
      });
    }
    const service = (type: ServiceType) =>
      openServiceClient({
        transport,
        session,
        choice: scoped,
        type,
        // Where we logged in is where Keystone is, whatever its catalog entry says.
        endpoint: type === "identity" ? scoped.authUrl : undefined,
      });
    const clients = new Map<ServiceType, ServiceClient>();
    const shared = (type: ServiceType): ServiceClient => {
      const known = clients.get(type) ?? service(type);
      clients.set(type, known);
      return known;
    };
    let extensions: Promise<ReadonlySet<string>> | undefined;
    return {
      name: scoped.name,
      identity: identityService(service("identity"), session),
      image: imageService(service("image")),
      volume: volumeService(service("block-storage")),
      object: objectService(service("object-store")),
      compute: computeService(shared("compute")),
      projectId: token.project?.id ?? "",
      projectName: token.project?.name ?? "",
      projectDomainName: token.project?.domain.name ?? "",
      userId: token.user.id,
      userName: token.user.name,
      region: scoped.regionName,
      hasService: async (type) => findEndpoint((await session.token()).catalog, type, scoped) !== undefined,
      roles: new Set(token.roles.map((role) => role.name)),
      service: shared,
      collection: (spec, parentId) => openCollection(shared(spec.service), spec, parentId),
      networkExtensions: () => {
        // A failure is not remembered: the next call asks again.
        extensions ??= networkExtensions(shared("network")).catch((error: unknown) => {
          extensions = undefined;
          throw error;
        });
        return extensions;
      },
      close: () => transport.close(),
    };
  } catch (error) {
    await transport.close();
    throw error;
  }
}

/** The configuration scoped to another project. */
export function withProject(config: CloudConfig, project: string | ProjectRef | undefined): CloudConfig {
  if (project === undefined) return config;
  if (typeof project !== "string") return { ...config, scope: { kind: "project", project } };
  return { ...config, scope: { kind: "project", project: { nameOrId: project, ...domainOf(config) } } };
}

function domainOf(config: CloudConfig): DomainRef {
  const { scope, credential } = config;
  if (scope.kind === "project" && !("id" in scope.project)) return domainRef(scope.project);
  if (credential.kind === "password" && "name" in credential.user) return domainRef(credential.user);
  return { domainId: "default" };
}

function domainRef(ref: DomainRef): DomainRef {
  return "domainId" in ref ? { domainId: ref.domainId } : { domainName: ref.domainName };
}
