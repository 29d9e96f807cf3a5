/**
 * nova.keypair: public keys of the user whose credentials are used. A keypair belongs to a user and not to a project, and the private key was
 * never Nova's: a restore imports the public key for the user who restores. Known by its name, which that user can have only once.
 */

import { KEYPAIRS } from "@permafrost/openstack";
import { declaredType } from "./declared/declared-type.ts";
import { ifThere } from "./if-there.ts";

export const novaKeypair = declaredType({
  type: "nova.keypair",
  noun: "keypair",
  collection: KEYPAIRS,
  create: ["name", "public_key", "type"],
  mark: "content",
  quota: "key_pairs",
  unique: true,
  listQuery: () => ({}),
  isOwned: () => true,
  reported: {
    "private key": "it was never kept by Nova",
    user_id: "it is imported for the user who restores",
    fingerprint: "follows from the key",
  },
  hooks: {
    // One name, another key: what is started with it could not be entered by whom it was meant for.
    plan: async ({ cloud }, { resource, document }, _scope, planned) => {
      if (planned.action !== "reuse" && planned.action !== "create") return planned;
      const name = planned.targetId ?? planned.targetName ?? resource.name;
      const there = await ifThere(cloud.collection(KEYPAIRS).get(name));
      if (there === undefined || there.public_key === document.object.public_key) return planned;
      const { targetId: _, ...rest } = planned;
      return {
        ...rest,
        action: "conflict",
        reason: `the user's keypair ${name} holds another key; use --on-conflict rename or skip`,
      };
    },
  },
});
