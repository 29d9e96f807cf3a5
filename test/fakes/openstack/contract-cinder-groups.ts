/** Cinder's part of the contract: groups of volumes. */

import type { Check } from "./contract.ts";
import { ABSENT, at, drop, url, volume } from "./contract-cinder-ask.ts";

const SHOWN = ["id", "status", "availability_zone", "created_at", "name", "description", "group_type", "volume_types"];

export const cinderGroupChecks: readonly Check[] = [
  {
    name: "cinder: a group's life, and that of a volume in it",
    async run(world) {
      const admin = { as: "admin" as const, ...at("3.67") };
      const root = `${new URL(world.urls.volume).origin}/v3`;
      const now = at("3.67");
      const kind = { group_type: { name: "fake-group-type", group_specs: { consistent_group_snapshot_enabled: "<is> False" } } };
      await world.expect(403, "POST", url(world, "/group_types"), { ...now, json: kind });
      const type = (await world.expect(202, "POST", `${root}/group_types`, { ...admin, json: kind })).json?.group_type;
      world.keys("type", type, ["id", "name", "description", "is_public", "group_specs"]);
      await world.expect(409, "POST", `${root}/group_types`, { ...admin, json: kind });
      await world.expect(404, "GET", url(world, "/groups"));
      const refused = async (group: unknown, part: string, status = 400) => {
        const answer = await world.expect(status, "POST", url(world, "/groups"), { ...now, json: { group } });
        world.contains(part, answer.text, part);
      };
      await refused({ volume_types: ["standard"] }, "'group_type' is a required property");
      await refused({ group_type: type?.id }, "'volume_types' is a required property");
      await refused({ group_type: "nosuch", volume_types: ["standard"] }, "Group type with name nosuch could not be found.", 404);
      await refused({ group_type: type?.id, volume_types: ["nosuch"] }, "could not be found", 404);
      await refused(
        { group_type: type?.id, volume_types: ["standard"], availability_zone: "nosuch" },
        "Availability zone 'nosuch' is invalid.",
      );
      const json = {
        group: { name: "fake-group", description: "mark", group_type: "fake-group-type", volume_types: ["standard"] },
      };
      const made = await world.expect(202, "POST", url(world, "/groups"), { ...now, json });
      world.keys("made", made.json?.group, ["id", "name"]);
      const path = url(world, `/groups/${made.json?.group?.id}`);
      const get = async (query = "", version = "3.67") =>
        (await world.expect(200, "GET", `${path}${query}`, at(version))).json?.group;
      const settle = async () => await world.until(path, ["available", "error"], now);
      await settle();
      world.keys("at 3.13", await get("", "3.13"), SHOWN);
      const later = [...SHOWN, "group_snapshot_id", "source_group_id", "replication_status"];
      world.keys("at 3.67", await get(), later);
      const list = (await world.expect(200, "GET", url(world, "/groups/detail?list_volume=true"), now)).json?.groups;
      world.keys("in detail", list?.[0], [...later, "volumes"]);
      const inGroup = async (fields: Record<string, unknown>, status: number) =>
        await world.expect(status, "POST", url(world, "/volumes"), {
          ...now,
          json: { volume: { size: 1, group_id: made.json?.group?.id, ...fields } },
        });
      world.contains("no type", (await inGroup({}, 400)).text, "volume_type must be provided when creating a volume in a group.");
      world.contains("other type", (await inGroup({ volume_type: "fast" }, 400)).text, "must be supported by this group");
      await inGroup({ volume_type: "standard", group_id: ABSENT }, 404);
      const id = (await inGroup({ volume_type: "standard" }, 202)).json?.volume?.id;
      await world.until(url(world, `/volumes/${id}`), ["available", "error"]);
      world.same("volumes", (await get("?list_volume=true"))?.volumes, [id]);
      const shown = async () => (await world.expect(200, "GET", url(world, `/volumes/${id}`), now)).json?.volume?.group_id;
      world.same("group_id", await shown(), made.json?.group?.id);
      world.contains("kept", (await world.expect(400, "DELETE", url(world, `/volumes/${id}`))).text, "belong to a group");
      const remove = { ...now, json: { delete: { "delete-volumes": false } } };
      world.contains("not empty", (await world.expect(400, "POST", `${path}/action`, remove)).text, "still contains volumes");
      const update = async (status: number, group: unknown) =>
        await world.expect(status, "PUT", path, { ...now, json: { group } });
      await update(202, { description: "" });
      world.same("described", (await get())?.description, "");
      world.contains("the same", (await update(400, { description: "" })).text, "no valid name, description");
      const other = await volume(world, { size: 1 });
      world.contains("foreign", (await update(400, { remove_volumes: other })).text, "it is not in the group");
      await drop(world, "volumes", other);
      await update(202, { remove_volumes: id });
      await settle();
      world.same("left", await shown(), null);
      await drop(world, "volumes", id);
      world.contains(
        "in use",
        (await world.expect(400, "DELETE", `${root}/group_types/${type?.id}`, admin)).text,
        "still in use",
      );
      await world.expect(202, "POST", `${path}/action`, remove);
      await world.until(path, ["404", "error_deleting"], now);
      await world.expect(202, "DELETE", `${root}/group_types/${type?.id}`, admin);
    },
  },
];
