/** Address groups: lists of networks that security group rules may name. */

import { formatNetwork, parseNetwork } from "./addresses.ts";
import { attribute, type Fields, maxText, UNSET } from "./attributes.ts";
import { badRequest, badResource, refuse } from "./error.ts";
import { type Action, type Kind, missing } from "./kind.ts";
import { isShared, removeEntries } from "./rbac.ts";
import { listOf, subnet, toList } from "./validators.ts";

export const ADDRESS_GROUP: Kind = {
  name: "address_group",
  collection: "address_groups",
  path: "address-groups",
  extension: "address-group",
  journal: "address_group",
  standard: true,
  attributes: {
    name: attribute("cufs", { default: "", validate: maxText(255) }),
    addresses: attribute("c", { default: UNSET, convert: toList, validate: listOf(subnet) }),
  },
  missing: missing("AddressGroupNotFound", "Address group %s could not be found."),
  target: (net, { id }, { projectId }) => ({ isShared: id !== undefined && isShared(net, id, projectId) }),
  create: (ask, fields, projectId) => {
    const addresses = fields.addresses === UNSET ? [] : (fields.addresses as string[]);
    const row = ask.net.add("address_group", projectId, { ...fields, addresses: canonical(addresses) });
    ask.created(row);
    return row;
  },
  remove: ({ net, deleted }, row) => {
    if (net.all("security_group_rule").some((rule) => rule.fields.remote_address_group_id === row.id))
      refuse(409, "AddressGroupInUse", `Address group ${row.id} is in use on one or more security group rules.`);
    removeEntries(net, row.id);
    net.remove(row);
    deleted(row);
  },
  actions: {
    add_addresses: changing((have, asked, id) => {
      const twice = asked.filter((each) => have.includes(each));
      if (twice.length > 0)
        refuse(400, "AddressesAlreadyExist", `Addresses ${twice.join(", ")} already exist in the address group ${id}.`);
      return [...have, ...asked];
    }),
    remove_addresses: changing((have, asked, id) => {
      const lost = asked.filter((each) => !have.includes(each));
      if (lost.length > 0) refuse(404, "AddressesNotFound", `Addresses ${lost.join(", ")} not found in the address group ${id}.`);
      return have.filter((each) => !asked.includes(each));
    }),
  },
};

function canonical(addresses: readonly string[]): string[] {
  return addresses.map((text) => {
    const network = parseNetwork(text);
    return network === undefined ? text : formatNetwork(network);
  });
}

function changing(change: (have: string[], asked: string[], id: string) => string[]): Action {
  return {
    method: "PUT",
    rule: "update_address_group",
    run: ({ net }, row, body) => {
      const asked = (body.address_group as Fields | undefined)?.addresses ?? body.addresses;
      if (!Array.isArray(asked) || asked.length === 0) badRequest("Missing addresses field in the request body");
      const problem = listOf(subnet)(asked);
      if (problem !== undefined) badResource("address_group", problem);
      row.fields.addresses = change(row.fields.addresses as string[], canonical(asked as string[]), row.id);
      net.touch(row);
      const { name, description, addresses } = row.fields;
      return { address_group: { id: row.id, name, description, project_id: row.projectId, addresses } };
    },
  };
}
