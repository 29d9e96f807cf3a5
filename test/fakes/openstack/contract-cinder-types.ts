/** Cinder's part of the contract: volume types as an administrator makes them, and what others see of them. */

import type { Check } from "./contract.ts";
import { ABSENT, at, url } from "./contract-cinder-ask.ts";

export const cinderTypeChecks: readonly Check[] = [
  {
    name: "cinder: a volume type's life",
    async run(world) {
      const admin = { as: "admin" as const, ...at("3.67") };
      const root = `${new URL(world.urls.volume).origin}/v3`;
      const fields = {
        name: "fake-type",
        description: "mark",
        extra_specs: { volume_backend_name: "x", multiattach: "<is> True" },
      };
      const json = { volume_type: { ...fields, "os-volume-type-access:is_public": false } };
      await world.expect(403, "POST", url(world, "/types"), { json });
      const made = await world.expect(200, "POST", `${root}/types`, { ...admin, json });
      const id = made.json?.volume_type?.id;
      const keys = ["id", "name", "is_public", "description", "extra_specs", "qos_specs_id", "os-volume-type-access:is_public"];
      world.keys("made", made.json?.volume_type, keys);
      await world.expect(409, "POST", `${root}/types`, { ...admin, json });
      const named = async (query: string) =>
        (await world.expect(200, "GET", `${root}/types${query}`, admin)).json?.volume_types?.some(
          (t: { id: string }) => t.id === id,
        );
      world.same("listed", [await named(""), await named("?is_public=None")], [false, true]);
      await world.expect(404, "GET", url(world, `/types/${id}`));
      const give = () => ({ ...admin, json: { addProjectAccess: { project: world.projectId } } }) as const;
      await world.expect(202, "POST", `${root}/types/${id}/action`, give());
      await world.expect(409, "POST", `${root}/types/${id}/action`, give());
      const shown = await world.expect(200, "GET", url(world, `/types/${id}`));
      world.same("a member sees", shown.json?.volume_type?.extra_specs, { multiattach: "<is> True" });
      world.same("its access", (await world.expect(200, "GET", `${root}/types/${id}/os-volume-type-access`, admin)).json, {
        volume_type_access: [{ volume_type_id: id, project_id: world.projectId }],
      });
      await world.expect(403, "GET", url(world, `/types/${id}/encryption`));
      world.same("no encryption", (await world.expect(200, "GET", `${root}/types/${id}/encryption`, admin)).json, {});
      const encryption = { provider: "luks", control_location: "front-end", cipher: "aes-xts-plain64", key_size: 256 };
      await world.expect(400, "POST", `${root}/types/${id}/encryption`, { ...admin, json: { encryption: { provider: "luks" } } });
      const set = await world.expect(200, "POST", `${root}/types/${id}/encryption`, { ...admin, json: { encryption } });
      world.same("set", set.json, { encryption });
      await world.expect(400, "POST", `${root}/types/${id}/encryption`, { ...admin, json: { encryption } });
      const read = (await world.expect(200, "GET", `${root}/types/${id}/encryption`, admin)).json;
      const { provider, cipher, key_size, control_location } = read ?? {};
      world.same("encryption", { provider, control_location, cipher, key_size }, encryption);
      const described = { volume_type: { description: "" } };
      world.same(
        "described",
        (await world.expect(200, "PUT", `${root}/types/${id}`, { ...admin, json: described })).json?.volume_type?.description,
        "",
      );
      await world.expect(403, "GET", url(world, "/qos-specs"));
      world.keys("QoS specs", (await world.expect(200, "GET", `${root}/qos-specs`, admin)).json, ["qos_specs"]);
      await world.expect(404, "GET", `${root}/qos-specs/${ABSENT}/associate?vol_type_id=${id}`, admin);
      await world.expect(202, "DELETE", `${root}/types/${id}`, admin);
      await world.expect(404, "GET", `${root}/types/${id}`, admin);
    },
  },
];
