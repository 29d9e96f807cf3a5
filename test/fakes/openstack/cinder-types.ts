/** Volume types and QoS specs: what all may read of them, and the administrator's making, encryption and access lists. */

import { bodyOf, type CinderCall, EMPTY_202, fail, forbid, invalid } from "./cinder-call.ts";
import type { CinderState } from "./cinder-volumes.ts";
import { json, type Reply } from "./http.ts";
import { uuid } from "./ids.ts";
import type { QosSpecs, VolumeType } from "./volumes.ts";

/** Those that are no secret of the backend. */
const VISIBLE_EXTRA_SPECS = ["RESKEY:availability_zones", "multiattach", "replication_enabled"];
const DESCRIPTION_CHARACTERS_MAX = 255;

export class TypeRoutes {
  readonly #state: CinderState;

  constructor(state: CinderState) {
    this.#state = state;
  }

  async types(context: CinderCall): Promise<Reply> {
    const [, id, sub] = context.parts;
    const { method } = context.call;
    if (id === undefined) return method === "POST" ? await this.#create(context) : this.#list(context);
    if (sub === undefined && method === "GET") return json(200, { volume_type: this.#access(context, this.#find(context, id)) });
    const policy = { PUT: "type_update", DELETE: "type_delete" }[method] ?? "type_create";
    if (!context.admin) forbid(`volume_extension:${sub === "encryption" ? "volume_type_encryption:get" : policy}`);
    const type = this.#find(context, id);
    if (sub === "encryption") return await this.#encryption(context, type);
    if (sub === "action") return await this.#act(context, type);
    if (sub === "os-volume-type-access") {
      if (type.isPublic) fail(404, "Access list not available for public volume types.");
      const rows = [...type.access].map((project) => ({ volume_type_id: type.id, project_id: project }));
      return json(200, { volume_type_access: rows });
    }
    if (sub === undefined && method === "PUT") return await this.#update(context, type);
    return sub === undefined && method === "DELETE" ? this.#remove(context, type) : fail(404, "The resource could not be found.");
  }

  qosSpecs(context: CinderCall): Reply {
    if (!context.admin) forbid("volume_extension:qos_specs_manage:get_all");
    const [, id, sub] = context.parts;
    const { qosSpecs } = this.#state.volumes;
    if (id === undefined) return json(200, { qos_specs: qosSpecs.map(qosView) });
    const specs = qosSpecs.find((each) => each.id === id);
    if (specs === undefined) fail(404, `No such QoS spec ${id}.`);
    if (sub !== "associate") return json(200, { qos_specs: qosView(specs), links: [] });
    const typeId = context.call.query.get("vol_type_id");
    if (typeId === null) fail(400, "Volume Type id must not be None.");
    const type = this.#find(context, typeId);
    if (type.qosSpecsId !== null && type.qosSpecsId !== id) {
      const reason = `Type ${type.id} is already associated with another qos specs: ${type.qosSpecsId}`;
      fail(400, `Invalid volume type: ${reason}`);
    }
    type.qosSpecsId = id;
    return EMPTY_202;
  }

  #find({ projectId, admin }: CinderCall, id: string): VolumeType {
    const { types, defaultType } = this.#state.volumes;
    const type = id === "default" ? defaultType : types.find((each) => each.id === id);
    const isSeen = type !== undefined && (admin || type.isPublic || type.access.has(projectId));
    return isSeen ? type : fail(404, `Volume type ${id} could not be found.`);
  }

  #list(context: CinderCall): Reply {
    const { admin, projectId } = context;
    const asked = context.call.query.get("is_public") ?? "true";
    const wanted = /^none$/i.test(asked) ? null : /^(true|1|yes|on|t|y)$/i.test(asked);
    const rows = this.#state.volumes.types.filter((type) =>
      admin ? wanted === null || type.isPublic === wanted : type.isPublic || type.access.has(projectId),
    );
    return json(200, { volume_types: rows.map((type) => this.#access(context, type)) });
  }

  async #create(context: CinderCall): Promise<Reply> {
    if (!context.admin) forbid("volume_extension:type_create");
    const wanted = await bodyOf(context.call, "volume_type");
    const allowed = ["name", "description", "extra_specs", "os-volume-type-access:is_public"];
    for (const key of Object.keys(wanted))
      if (!allowed.includes(key))
        invalid("volume_type", wanted, `Additional properties are not allowed ('${key}' was unexpected)`);
    const { name } = wanted;
    if (typeof name !== "string") invalid("volume_type", wanted, "'name' is a required property");
    if (this.#state.volumes.types.some((type) => type.name === name)) fail(409, `Volume Type ${name} already exists.`);
    const type: VolumeType = {
      id: uuid(),
      name,
      description: checkedDescription(wanted.description),
      extraSpecs: { ...(wanted.extra_specs as Record<string, string> | undefined) },
      isPublic: (wanted["os-volume-type-access:is_public"] ?? true) === true,
      access: new Set(),
      encryption: undefined,
      encrypted: false,
      qosSpecsId: null,
    };
    this.#state.volumes.types.push(type);
    context.call.created("volume_type", type.id);
    return json(200, { volume_type: this.#access(context, type) });
  }

  async #update(context: CinderCall, type: VolumeType): Promise<Reply> {
    const wanted = await bodyOf(context.call, "volume_type");
    const [name, description, isPublic] = [wanted.name ?? null, wanted.description ?? null, wanted.is_public ?? null];
    if (name === null && description === null && isPublic === null)
      fail(400, "Specify volume type name, description, is_public or a combination thereof.");
    if (this.#state.volumes.types.some((each) => each !== type && each.name === name))
      fail(409, `Volume Type ${name} already exists.`);
    if (name !== null) type.name = String(name);
    if (description !== null) type.description = checkedDescription(description);
    if (isPublic !== null) type.isPublic = isPublic === true;
    return json(200, { volume_type: this.#view(context, type) });
  }

  #remove(context: CinderCall, type: VolumeType): Reply {
    const { volumes } = this.#state;
    if (type === volumes.defaultType) fail(400, `The volume type ${type.id} is a default volume type and cannot be deleted.`);
    if ([...volumes.volumes.values()].some((volume) => volume.type === type)) fail(400, "Target volume type is still in use.");
    volumes.types.splice(volumes.types.indexOf(type), 1);
    context.call.deleted("volume_type", type.id);
    return EMPTY_202;
  }

  async #encryption({ call }: CinderCall, type: VolumeType): Promise<Reply> {
    if (call.method === "GET") return json(200, type.encryption ?? {});
    const sent = await bodyOf(call, "encryption");
    for (const key of ["provider", "control_location"])
      if (sent[key] === undefined) invalid("encryption", sent, `'${key}' is a required property`);
    if ([...this.#state.volumes.volumes.values()].some((volume) => volume.type === type))
      fail(400, "Cannot create encryption specs. Volume type in use.");
    if (type.encryption !== undefined) fail(400, `Volume type encryption for type ${type.id} already exists.`);
    const { provider, control_location, cipher = null, key_size = null } = sent;
    type.encrypted = true;
    type.encryption = {
      ...{ provider, control_location, cipher, key_size, encryption_id: uuid(), volume_type_id: type.id },
      ...{ created_at: "2026-01-01T00:00:00.000000", updated_at: null, deleted_at: null, deleted: false },
    };
    return json(200, { encryption: sent });
  }

  async #act({ call }: CinderCall, type: VolumeType): Promise<Reply> {
    const { project } = await bodyOf(call, "addProjectAccess");
    const reason = "Type access modification is not applicable to public volume type.";
    if (type.isPublic) fail(400, `Invalid volume type: ${reason}`);
    if (type.access.has(String(project)))
      fail(409, `Volume type access for ${type.id} / ${String(project)} combination already exists.`);
    type.access.add(String(project));
    return EMPTY_202;
  }

  /** With what the extension of access lists adds. */
  #access(context: CinderCall, type: VolumeType): Record<string, unknown> {
    return { ...this.#view(context, type), "os-volume-type-access:is_public": type.isPublic };
  }

  #view({ admin }: CinderCall, type: VolumeType): Record<string, unknown> {
    const specs = Object.entries(type.extraSpecs).filter(([key]) => admin || VISIBLE_EXTRA_SPECS.includes(key));
    return {
      id: type.id,
      name: type.name,
      is_public: type.isPublic,
      description: type.description,
      extra_specs: Object.fromEntries(specs),
      ...(admin ? { qos_specs_id: type.qosSpecsId } : {}),
    };
  }
}

function checkedDescription(value: unknown): string | null {
  if (typeof value !== "string") return null;
  if (value.length > DESCRIPTION_CHARACTERS_MAX) invalid("description", value, `'${value}' is too long`);
  return value;
}

function qosView({ id, name, consumer, specs }: QosSpecs): Record<string, unknown> {
  return { id, name, consumer, specs };
}
