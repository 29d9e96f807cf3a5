/** Subnet pools and address scopes: prefixes to cut subnets from, of which no two in a scope overlap. */

import { contains, formatNetwork, type Network, networkOf, overlaps, parseNetwork } from "./addresses.ts";
import { attribute, type Fields, maxText, UNSET } from "./attributes.ts";
import { refuse } from "./error.ts";
import { cidrOf } from "./ipam.ts";
import { type Action, type Kind, missing } from "./kind.ts";
import type { Networking, Row } from "./networking.ts";
import { isShared, removeEntries, shareWithAll } from "./rbac.ts";
import { listOf, nonNegative, oneOf, orNone, subnet, toBoolean, toInteger, uuid } from "./validators.ts";

export const ADDRESS_SCOPE: Kind = {
  name: "address_scope",
  collection: "address_scopes",
  path: "address-scopes",
  extension: "address-scope",
  journal: "address_scope",
  attributes: {
    name: attribute("cufs", { default: "", validate: maxText(255) }),
    ip_version: attribute("cfs", { convert: toInteger, validate: oneOf(4, 6) }),
    shared: attribute("cuf", { default: false, convert: toBoolean }),
  },
  missing: missing("AddressScopeNotFound", "Address scope %s could not be found."),
  target: (net, { id }, { projectId }) => ({ isShared: id !== undefined && isShared(net, id, projectId) }),
  create: (ask, { shared, ...fields }, projectId) => {
    const row = ask.net.add("address_scope", projectId, fields);
    shareWithAll(ask.net, row, "address_scope", "access_as_shared", shared);
    ask.created(row);
    return row;
  },
  update: ({ net }, row, { shared, ...changes }) => {
    if (shared === false && isShared(net, row.id, ""))
      refuse(
        400,
        "AddressScopeUpdateError",
        `Unable to update address scope ${row.id} : Shared address scope can't be unshared.`,
      );
    shareWithAll(net, row, "address_scope", "access_as_shared", shared);
    Object.assign(row.fields, changes);
  },
  remove: ({ net, deleted }, row) => {
    if (net.all("subnetpool").some((pool) => pool.fields.address_scope_id === row.id))
      refuse(
        409,
        "AddressScopeInUse",
        `Unable to complete operation on address scope ${row.id}. There are one or more subnet pools in use on the address scope.`,
      );
    removeEntries(net, row.id);
    net.remove(row);
    deleted(row);
  },
  view: (net, row, { projectId }) => ({ shared: isShared(net, row.id, projectId) }),
};

const number = { default: UNSET, convert: toInteger, validate: nonNegative };

export const SUBNET_POOL: Kind = {
  name: "subnetpool",
  collection: "subnetpools",
  path: "subnetpools",
  extension: "subnet_allocation",
  journal: "subnetpool",
  quota: "subnetpool",
  standard: true,
  tagged: true,
  attributes: {
    name: attribute("cufs", { validate: maxText(255) }),
    prefixes: attribute("cu", { validate: listOf(subnet) }),
    default_quota: attribute("cufs", number),
    ip_version: attribute("fs"),
    default_prefixlen: attribute("cufs", number),
    min_prefixlen: attribute("cufs", number),
    max_prefixlen: attribute("cufs", number),
    is_default: attribute("cufs", { default: false, convert: toBoolean }),
    shared: attribute("cf", { default: false, convert: toBoolean }),
    address_scope_id: attribute("cufs", { default: UNSET, validate: orNone(uuid), extension: "address-scope" }),
  },
  missing: missing("SubnetPoolNotFound", "Subnet pool %s could not be found."),
  target: (net, { id }, { projectId }) => ({ isShared: id !== undefined && isShared(net, id, projectId) }),
  create: (ask, { shared, ...fields }, projectId) => {
    const { net } = ask;
    const { compacted, version } = prefixesOf(fields.prefixes as string[]);
    const bits = version === 4 ? 32 : 128;
    const pick = (name: string, otherwise: number) => (fields[name] === UNSET ? otherwise : Number(fields[name]));
    const [min, max] = [pick("min_prefixlen", version === 4 ? 8 : 64), pick("max_prefixlen", bits)];
    const sizes = { min_prefixlen: min, max_prefixlen: max, default_prefixlen: pick("default_prefixlen", min) };
    checkSizes(sizes, bits);
    const scope = fields.address_scope_id === UNSET ? null : fields.address_scope_id;
    checkScope(net, scope, compacted, version, projectId, undefined);
    if (fields.is_default === true) refuseSecondDefault(net, version);
    const row = net.add("subnetpool", projectId, {
      ...fields,
      ...sizes,
      prefixes: compacted,
      ip_version: version,
      default_quota: fields.default_quota === UNSET ? null : fields.default_quota,
      address_scope_id: scope,
    });
    shareWithAll(net, row, "subnetpool", "access_as_shared", shared);
    ask.created(row);
    return row;
  },
  update: ({ net }, row, changes) => {
    const bits = row.fields.ip_version === 4 ? 32 : 128;
    const merged = { ...row.fields, ...changes };
    checkSizes(merged, bits);
    if (changes.prefixes !== undefined) {
      const { compacted } = prefixesOf(changes.prefixes as string[]);
      const missingOnes = (row.fields.prefixes as string[]).filter((old) => !compacted.some((each) => covers(each, old)));
      if (missingOnes.length > 0)
        refuse(
          400,
          "IllegalSubnetPoolPrefixUpdate",
          "Illegal update to prefixes: Existing prefixes must be a subset of the new prefixes.",
        );
      changes.prefixes = compacted;
    }
    if (changes.is_default === true && row.fields.is_default !== true) refuseSecondDefault(net, Number(row.fields.ip_version));
    if (changes.address_scope_id !== undefined)
      checkScope(
        net,
        changes.address_scope_id,
        merged.prefixes as string[],
        Number(row.fields.ip_version),
        row.projectId,
        row.id,
      );
    Object.assign(row.fields, changes);
  },
  remove: ({ net, deleted }, row) => {
    if (net.all("subnet").some((each) => each.fields.subnetpool_id === row.id))
      refuse(
        409,
        "SubnetPoolInUse",
        `Unable to complete operation on subnet pool ${row.id}. Subnet pool has existing allocations.`,
      );
    removeEntries(net, row.id);
    net.remove(row);
    deleted(row);
  },
  view: (net, row, { projectId }) => ({ shared: isShared(net, row.id, projectId) }),
  actions: { add_prefixes: changePrefixes(true), remove_prefixes: changePrefixes(false) },
};

function changePrefixes(isAdd: boolean): Action {
  return {
    method: "PUT",
    run: ({ net }, row, body) => {
      const asked = body.prefixes as string[];
      const have = row.fields.prefixes as string[];
      const wanted = isAdd ? [...have, ...asked] : have.filter((each) => !asked.includes(each));
      const inUse = net.all("subnet").filter((each) => each.fields.subnetpool_id === row.id);
      if (inUse.some((each) => !wanted.some((prefix) => covers(prefix, String(each.fields.cidr)))))
        refuse(
          409,
          "IllegalSubnetPoolPrefixUpdate",
          "Illegal update to prefixes: Allocated subnets must be covered by the prefixes.",
        );
      row.fields.prefixes = prefixesOf(wanted).compacted;
      net.touch(row);
      return { prefixes: row.fields.prefixes };
    },
  };
}

/** As netaddr's IPSet: neighbours are joined, what another covers is left out, in order. */
function prefixesOf(texts: readonly string[]): { compacted: string[]; version: 4 | 6 } {
  if (texts.length === 0) refuse(400, "EmptySubnetPoolPrefixList", "Empty subnet pool prefix list.");
  let all = texts.map((text) => parseNetwork(text) as Network);
  const version = all[0]?.version ?? 4;
  if (all.some((each) => each.version !== version))
    refuse(400, "PrefixVersionMismatch", "Cannot mix IPv4 and IPv6 prefixes in a subnet pool.");
  for (let changed = true; changed; ) {
    changed = false;
    all = all
      .filter((each, i) => !all.some((other, j) => i !== j && isIn(each, other) && (other.length < each.length || j < i)))
      .sort((a, b) => (a.first < b.first ? -1 : 1));
    for (const [i, each] of all.entries()) {
      const next = all[i + 1];
      if (next === undefined || next.length !== each.length || next.first !== each.last + 1n) continue;
      const joined = networkOf({ version, value: each.first }, each.length - 1);
      if (joined.first !== each.first) continue;
      all.splice(i, 2, joined);
      changed = true;
      break;
    }
  }
  return { compacted: all.map(formatNetwork), version };
}

const isIn = (inner: Network, outer: Network) =>
  inner.version === outer.version && inner.first >= outer.first && inner.last <= outer.last;

function covers(outer: string, inner: string): boolean {
  const [a, b] = [parseNetwork(outer), parseNetwork(inner)];
  return a !== undefined && b !== undefined && isIn(b, a);
}

function checkSizes(fields: Fields, bits: number): void {
  const [min, max, plain] = [fields.min_prefixlen, fields.max_prefixlen, fields.default_prefixlen].map(Number) as [
    number,
    number,
    number,
  ];
  const illegal = (type: string, length: number, base: string, value: number) =>
    refuse(400, "IllegalSubnetPoolPrefixBounds", `Illegal prefix bounds: ${type}=${length}, ${base}=${value}.`);
  if (min > max) illegal("min_prefixlen", min, "max_prefixlen", max);
  if (plain < min) illegal("default_prefixlen", plain, "min_prefixlen", min);
  if (plain > max) illegal("default_prefixlen", plain, "max_prefixlen", max);
  if (max > bits) illegal("max_prefixlen", max, "max_prefix", bits);
}

function checkScope(
  net: Networking,
  id: unknown,
  prefixes: readonly string[],
  version: number,
  projectId: string,
  own: string | undefined,
): void {
  if (id === null || id === undefined) return;
  const scope = net.need("address_scope", id);
  if (scope.projectId !== projectId && !isShared(net, scope.id, projectId)) net.kind("address_scope").missing(scope.id);
  if (scope.fields.ip_version !== version)
    refuse(
      400,
      "IllegalSubnetPoolIpVersionAssociationToAddressScope",
      `Illegal subnetpool association: subnetpool ${own} cannot associate with address scope ${scope.id} because subnetpool ip_version is not ${version}.`,
    );
  const others = net.all("subnetpool").filter((pool) => pool.fields.address_scope_id === scope.id && pool.id !== own);
  const clash = others.some((pool) =>
    (pool.fields.prefixes as string[]).some((a) =>
      prefixes.some((b) => overlaps(parseNetwork(a) as Network, parseNetwork(b) as Network)),
    ),
  );
  if (clash)
    refuse(
      409,
      "AddressScopePrefixConflict",
      "Failed to associate address scope: subnetpools within an address scope must have unique prefixes.",
    );
}

function refuseSecondDefault(net: Networking, version: number): void {
  if (net.all("subnetpool").some((pool) => pool.fields.is_default === true && pool.fields.ip_version === version))
    refuse(
      400,
      "InvalidInput",
      `Invalid input for operation: A default subnetpool for this IP family has already been set. Only one default may exist per IP family.`,
    );
}

/** The asked CIDR, or the first free one of the asked length. */
export function allocateFromPool(
  net: Networking,
  poolId: string,
  projectId: string,
  fields: Fields,
  prefixlen: unknown,
): Network {
  const pool = net.find("subnetpool", poolId);
  if (pool === undefined || (pool.projectId !== projectId && !isShared(net, pool.id, projectId)))
    return net.kind("subnetpool").missing(poolId);
  const version = Number(pool.fields.ip_version) as 4 | 6;
  if (fields.ip_version !== version)
    refuse(
      400,
      "BadRequest",
      `Bad subnets request: Cannot allocate IPv${fields.ip_version} subnet from IPv${version} subnet pool.`,
    );
  const mine = net.all("subnet").filter((each) => each.fields.subnetpool_id === poolId);
  const fail = (reason: string) => refuse(500, "SubnetAllocationError", `Failed to allocate subnet: ${reason}.`);
  const asked = fields.cidr === UNSET || fields.cidr === null ? undefined : parseNetwork(fields.cidr);
  const length = asked?.length ?? (prefixlen === UNSET ? Number(pool.fields.default_prefixlen) : Number(prefixlen));
  if (length > Number(pool.fields.max_prefixlen))
    refuse(
      400,
      "MaxPrefixSubnetAllocationError",
      `Unable to allocate subnet with prefix length ${length}, maximum allowed prefix is ${pool.fields.max_prefixlen}.`,
    );
  if (length < Number(pool.fields.min_prefixlen))
    refuse(
      400,
      "MinPrefixSubnetAllocationError",
      `Unable to allocate subnet with prefix length ${length}, minimum allowed prefix is ${pool.fields.min_prefixlen}.`,
    );
  refuseOverQuota(pool, mine, projectId, length);
  const isFree = (candidate: Network) => !mine.some((each) => overlaps(cidrOf(each), candidate));
  const prefixes = (pool.fields.prefixes as string[]).map((text) => parseNetwork(text) as Network);
  if (asked !== undefined) {
    const isInside = prefixes.some(
      (prefix) => contains(prefix, { version, value: asked.first }) && contains(prefix, { version, value: asked.last }),
    );
    if (!isInside || !isFree(asked)) fail("Cannot allocate requested subnet from the available set of prefixes");
    return asked;
  }
  for (const prefix of prefixes) {
    if (prefix.length > length) continue;
    for (
      let at = networkOf({ version, value: prefix.first }, length);
      at.last <= prefix.last;
      at = networkOf({ version, value: at.last + 1n }, length)
    )
      if (isFree(at)) return at;
  }
  return fail(`Insufficient prefix space to allocate subnet size /${length}`);
}

function refuseOverQuota(pool: Row, subnets: readonly Row[], projectId: string, length: number): void {
  const quota = pool.fields.default_quota;
  if (typeof quota !== "number") return;
  const unit = pool.fields.ip_version === 4 ? 32 : 64;
  const size = (bits: number) => 2 ** Math.max(0, unit - bits);
  const used = subnets.filter((each) => each.projectId === projectId).reduce((sum, each) => sum + size(cidrOf(each).length), 0);
  if (used + size(length) > quota) refuse(409, "SubnetPoolQuotaExceeded", "Per-tenant subnet pool prefix quota exceeded.");
}
