/** barbican.container: secrets that belong together, such as a certificate with its key and chain, with its access list. */

import { keyManagerHref, parseKeyManagerHref, SECRET_CONTAINERS } from "@permafrost/openstack";
import { canonicalJson, type Json, type JsonObject } from "@permafrost/std";
import {
  ACL_REFERENCES,
  aclDifferences,
  aclWarnings,
  describeAcl,
  isListed,
  privateWarnings,
  restoreAcl,
} from "./barbican-acl.ts";
import { declaredType } from "./declared/declared-type.ts";
import { withTargets } from "./declared/references.ts";

/** `secrets`, of the document, is `secret_refs` with ids in place of URLs. */
const REFERENCES = { ...ACL_REFERENCES, "secrets[].secret_id": { kind: "barbican.secret" } } as const;

export const barbicanContainer = declaredType({
  type: "barbican.container",
  noun: "secret container",
  collection: SECRET_CONTAINERS,
  create: ["name", "type", "secret_refs"],
  references: REFERENCES,
  uncompared: { secret_refs: "compared below, whatever their order" },
  mark: "content",
  reported: { consumers: "whoever uses the container registers again" },
  listQuery: () => ({}),
  isOwned: () => true,
  hooks: {
    describe: async ({ cloud }, container) => ({
      secrets: refsOf(container).map(({ name, secret_ref }) => ({
        name: name ?? null,
        secret_id: parseKeyManagerHref(String(secret_ref))?.id ?? "",
      })),
      ...(await describeAcl(cloud, "containers", String(container.id))),
    }),
    warnings: aclWarnings,
    owned: async ({ cloud }, container) => await isListed(cloud, SECRET_CONTAINERS, container),
    plan: async ({ cloud }, { document }, _scope, planned) =>
      planned.action === "create"
        ? { ...planned, warnings: [...(planned.warnings ?? []), ...privateWarnings(document.object, cloud)] }
        : planned,
    body: async ({ cloud }, { document, targets }, body) => {
      const { object } = withTargets(document.object, REFERENCES, (kind, id) => targets[`${kind}/${id}`]);
      const secrets = (object.secrets ?? []) as unknown as readonly JsonObject[];
      const refs = secrets.map(async ({ name, secret_id }): Promise<JsonObject> => {
        const secret_ref = await keyManagerHref(cloud, "secrets", String(secret_id));
        return typeof name === "string" ? { name, secret_ref } : { secret_ref };
      });
      return { ...body, secret_refs: await Promise.all(refs) };
    },
    alike: async (_context, object, like) =>
      ["name", "type"].every((key) => (object[key] ?? null) === (like[key] ?? null)) && contents(object) === contents(like),
    made: async ({ cloud }, { document, targets, targetId }) => {
      const { object } = withTargets(document.object, REFERENCES, (kind, id) => targets[`${kind}/${id}`]);
      await restoreAcl(cloud, "containers", targetId, object.acl);
      return [];
    },
    differences: async ({ cloud }, { document, targets, targetId }, found) => {
      const { object } = withTargets(document.object, REFERENCES, (kind, id) => targets[`${kind}/${id}`]);
      const want = canonicalJson(sorted((object.secrets ?? []) as unknown as readonly JsonObject[]));
      const have = contents(found);
      return [
        ...(want === have ? [] : [`secret_refs: expected ${want}, found ${have}`]),
        ...(await aclDifferences(cloud, "containers", targetId, object.acl)),
      ];
    },
  },
});

function refsOf(container: JsonObject): readonly JsonObject[] {
  return (container.secret_refs ?? []) as unknown as readonly JsonObject[];
}

/** Names and ids of its secrets, as a text that equal ones share: the host in a URL is the service's affair. */
function contents(container: JsonObject): string {
  const secrets = refsOf(container).map(({ name, secret_ref }) => ({
    name: name ?? null,
    secret_id: parseKeyManagerHref(String(secret_ref))?.id ?? "",
  }));
  return canonicalJson(sorted(secrets));
}

function sorted(secrets: readonly JsonObject[]): Json[] {
  return [...secrets].sort((a, b) => (canonicalJson(a) < canonicalJson(b) ? -1 : 1));
}
