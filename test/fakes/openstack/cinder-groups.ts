/** Groups of volumes and their types: made, changed, left by volumes, removed. A group takes one change of its volumes at a time. */

import { bodyOf, type CinderCall, EMPTY_202, fail, forbid, invalid } from "./cinder-call.ts";
import type { CinderState } from "./cinder-volumes.ts";
import { json, type Reply } from "./http.ts";
import { cinderTime, UUID, uuid } from "./ids.ts";
import type { GroupType, Volume, VolumeGroup, VolumeType } from "./volumes.ts";

const REMOVABLE = ["available", "in-use", "error", "error_deleting"];
const ADDABLE = ["available", "in-use"];

export class GroupRoutes {
  readonly #state: CinderState;

  constructor(state: CinderState) {
    this.#state = state;
  }

  async types(context: CinderCall): Promise<Reply> {
    const [, id] = context.parts;
    const { method } = context.call;
    const { groupTypes } = this.#state.volumes;
    const view = ({ id: own, name, description, isPublic, groupSpecs }: GroupType) => ({
      ...{ id: own, name, description, is_public: isPublic },
      ...(context.admin ? { group_specs: groupSpecs } : {}),
    });
    if (id === undefined && method === "GET")
      return json(200, { group_types: groupTypes.filter((type) => type.isPublic || context.admin).map(view) });
    if (method !== "GET" && !context.admin) forbid(`group:group_types:${method === "POST" ? "create" : "delete"}`);
    if (id === undefined) {
      const wanted = await bodyOf(context.call, "group_type");
      const type: GroupType = {
        ...{ id: uuid(), name: String(wanted.name), description: (wanted.description ?? null) as string | null },
        ...{ isPublic: wanted.is_public !== false, groupSpecs: (wanted.group_specs ?? {}) as Record<string, string> },
      };
      if (groupTypes.some((each) => each.name === type.name)) fail(409, `Group Type ${type.name} already exists.`);
      groupTypes.push(type);
      context.call.created("group_type", type.id);
      return json(202, { group_type: view(type) });
    }
    const type = groupTypes.find((each) => each.id === id) ?? fail(404, `Group type ${id} could not be found.`);
    if (method === "GET") return json(200, { group_type: view(type) });
    if ([...this.#state.volumes.groups.values()].some((group) => group.type === type))
      fail(400, "Target group type is still in use.");
    groupTypes.splice(groupTypes.indexOf(type), 1);
    context.call.deleted("group_type", id);
    return EMPTY_202;
  }

  async groups(context: CinderCall): Promise<Reply> {
    const [, id, sub] = context.parts;
    const { method, query } = context.call;
    if (id === undefined && method === "POST") return await this.#create(context);
    if (id === undefined || id === "detail") {
      const mine = [...this.#state.volumes.groups.values()].filter((group) => group.projectId === context.projectId);
      for (const group of mine) await this.#state.transitions.poll(group.id);
      const named = mine.filter((g) => this.#state.volumes.groups.has(g.id) && (query.get("name") ?? g.name) === g.name);
      return json(200, { groups: named.map((g) => (id === "detail" ? this.#view(context, g) : { id: g.id, name: g.name })) });
    }
    await this.#state.transitions.poll(id);
    const group = this.#state.volumes.groups.get(id);
    if (group === undefined || (!context.admin && group.projectId !== context.projectId))
      return fail(404, `Group ${id} could not be found.`);
    if (sub === "action") return await this.#remove(context, group);
    if (method === "GET") return json(200, { group: this.#view(context, group) });
    return method === "PUT" ? await this.#update(context, group) : fail(404, "The resource could not be found.");
  }

  async #create(context: CinderCall): Promise<Reply> {
    const { volumes, transitions } = this.#state;
    const wanted = await bodyOf(context.call, "group");
    const { group_type, volume_types } = wanted;
    if (group_type === undefined) invalid("group", wanted, "'group_type' is a required property");
    if (!Array.isArray(volume_types)) invalid("group", wanted, "'volume_types' is a required property");
    if (volume_types.length === 0) invalid("volume_types", volume_types, "[] should be non-empty");
    const named = String(group_type);
    const type = volumes.groupTypes.find((each) => each.id === named || each.name === named);
    if (type === undefined) fail(404, `Group type ${UUID.test(named) ? "" : "with name "}${named} could not be found.`);
    const types = (volume_types as string[]).map(
      (each): VolumeType =>
        volumes.typeOf(each) ?? fail(404, `Volume type ${UUID.test(each) ? "" : "with name "}${each} could not be found.`),
    );
    const zone = String(wanted.availability_zone ?? volumes.zones[0]);
    if (!volumes.zones.includes(zone)) fail(400, `Invalid input received: Availability zone '${zone}' is invalid.`);
    const limit = volumes.quota(context.projectId).groups ?? -1;
    if (limit >= 0 && (volumes.usage(context.projectId).groups ?? 0) >= limit)
      fail(413, `GroupLimitExceeded: Maximum number of groups allowed (${limit}) exceeded`);
    const group: VolumeGroup = {
      ...{ id: uuid(), projectId: context.projectId, status: "creating", zone, type, volumeTypes: types },
      ...{ name: textOf(wanted.name), description: textOf(wanted.description), createdMs: volumes.nowMs() },
    };
    volumes.groups.set(group.id, group);
    context.call.created("group", group.id);
    transitions.start([group.id], [() => setStatus(group, context.call.fails ? "error" : "available")]);
    return json(202, { group: { id: group.id, name: group.name } });
  }

  async #update(context: CinderCall, group: VolumeGroup): Promise<Reply> {
    const wanted = await bodyOf(context.call, "group");
    const ids = (key: string) => (typeof wanted[key] === "string" ? wanted[key].split(",").filter((each) => each !== "") : []);
    const [name, description] = [textOf(wanted.name), textOf(wanted.description)];
    const [adding, leaving] = [ids("add_volumes"), ids("remove_volumes")];
    const added = adding.map((id) => this.#addable(group, id)).filter((volume) => volume.groupId !== group.id);
    const removed = leaving.map((id) => this.#removable(group, id));
    const isSame = (name === null || name === group.name) && (description === null || description === group.description);
    if (isSame && added.length + removed.length === 0) {
      const reason = `Cannot update group ${group.id} because no valid name, description, add_volumes, or remove_volumes were provided.`;
      fail(400, `Invalid Group: ${reason}`);
    }
    if (added.length + removed.length > 0 && group.status !== "available")
      fail(400, "Invalid Group: Group status must be available.");
    if (name !== null) group.name = name;
    if (description !== null) group.description = description;
    if (added.length + removed.length === 0) return EMPTY_202;
    group.status = "updating";
    const finish = () => {
      for (const volume of added) volume.groupId = group.id;
      for (const volume of removed) volume.groupId = null;
      setStatus(group, "available");
    };
    this.#state.transitions.start([group.id], [finish]);
    return EMPTY_202;
  }

  #removable(group: VolumeGroup, id: string): Volume {
    const volume = this.#state.volumes.volumes.get(id);
    const what = `Invalid volume: Cannot remove volume ${id} from group ${group.id} because`;
    if (volume === undefined || volume.groupId !== group.id) return fail(400, `${what} it is not in the group.`);
    if (REMOVABLE.includes(volume.status)) return volume;
    return fail(400, `${what} volume is in an invalid state: ${volume.status}. Valid states are: ('${REMOVABLE.join("', '")}').`);
  }

  #addable(group: VolumeGroup, id: string): Volume {
    const volume = this.#state.volumes.volumes.get(id);
    const what = `Invalid volume: Cannot add volume ${id} to group ${group.id} because`;
    if (volume === undefined) return fail(400, `${what} volume cannot be found.`);
    if (volume.groupId === group.id) return volume;
    if (volume.groupId !== null) return fail(400, `${what} it is already in group ${volume.groupId}.`);
    if (volume.projectId !== group.projectId)
      return fail(400, `${what.replace(" because", "")} as they belong to different projects.`);
    if (!group.volumeTypes.includes(volume.type))
      return fail(400, `${what} volume type ${volume.type.id} is not supported by the group.`);
    if (ADDABLE.includes(volume.status)) return volume;
    return fail(400, `${what} volume is in an invalid state: ${volume.status}. Valid states are: ('${ADDABLE.join("', '")}').`);
  }

  async #remove(context: CinderCall, group: VolumeGroup): Promise<Reply> {
    const { volumes, transitions } = this.#state;
    await bodyOf(context.call, "delete");
    if (group.status !== "available" && group.status !== "error")
      fail(400, `Invalid Group: Group status must be available or error, but current status is: ${group.status}`);
    if ([...volumes.volumes.values()].some((volume) => volume.groupId === group.id)) {
      const reason = `Group ${group.id} still contains volumes. The delete-volumes flag is required to delete it.`;
      fail(400, `Invalid Group: ${reason}`);
    }
    group.status = "deleting";
    transitions.start([group.id], [() => void volumes.groups.delete(group.id)]);
    context.call.deleted("group", group.id);
    return EMPTY_202;
  }

  #view(context: CinderCall, group: VolumeGroup): Record<string, unknown> {
    const at = (minor: number) => context.view.version >= 3000 + minor;
    const members = [...this.#state.volumes.volumes.values()].filter((volume) => volume.groupId === group.id);
    const isListed = /^(true|1|yes|on|t|y)$/i.test(context.call.query.get("list_volume") ?? "");
    return {
      ...{ id: group.id, status: group.status, availability_zone: group.zone, created_at: cinderTime(group.createdMs) },
      ...{ name: group.name, description: group.description, group_type: group.type.id },
      volume_types: group.volumeTypes.map((type) => type.id),
      ...(at(14) ? { group_snapshot_id: null, source_group_id: null } : {}),
      ...(at(25) && isListed ? { volumes: members.map((volume) => volume.id) } : {}),
      ...(at(38) ? { replication_status: "disabled" } : {}),
      ...(at(58) && context.admin ? { project_id: group.projectId } : {}),
    };
  }
}

function setStatus(group: VolumeGroup, status: string): void {
  group.status = status;
}

function textOf(value: unknown): string | null {
  return typeof value === "string" ? value.trim() : null;
}
