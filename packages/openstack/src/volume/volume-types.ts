/**
 * Cinder's volume types and QoS specs as they are defined: who may use a type, what it encrypts with. All but a type's listing is the
 * administrator's. https://docs.openstack.org/api-ref/block-storage/v3/#volume-types-types
 */

import type { JsonObject } from "@permafrost/std";
import { listAll, nextOf } from "../http/pager.ts";
import type { ServiceClient } from "../http/service-client.ts";
import type { ApiObject } from "../rest/collection.ts";

export interface VolumeTypesApi {
  /** Public ones and those that the project may use; for an administrator, all. Others see few of the extra specs. */
  listTypeDefinitions(): AsyncIterable<ApiObject>;
  getType(id: string): Promise<ApiObject>;
  /** CONFLICT if the name is taken. */
  createType(fields: JsonObject): Promise<ApiObject>;
  describeType(id: string, description: string): Promise<void>;
  /** Its encryption goes with it. CLOUD_HTTP 400 while a volume has it. */
  deleteType(id: string): Promise<void>;
  /** Lets a project use a type that is not public; done already is success. */
  openType(id: string, projectId: string): Promise<void>;
  /** `provider`, `control_location`, `cipher`, `key_size`; undefined for a type that does not encrypt. */
  encryptionOf(typeId: string): Promise<ApiObject | undefined>;
  encryptType(typeId: string, encryption: JsonObject): Promise<void>;
  /** `id`, `name`, `consumer`, `specs`. */
  listQosSpecs(): AsyncIterable<ApiObject>;
  /** A type has one at most; the same again is success. */
  giveQosSpecs(qosSpecsId: string, typeId: string): Promise<void>;
}

type Links = { rel?: string; href?: string }[];

export function volumeTypesApi(client: ServiceClient): VolumeTypesApi {
  const at = (id: string, more = "") => `/types/${encodeURIComponent(id)}${more}`;
  return {
    listTypeDefinitions: () =>
      listAll<{ volume_types: ApiObject[]; volume_type_links?: Links }, ApiObject>(client, {
        path: "/types",
        // For an administrator: public or not. Others see what they may use, whatever they ask for.
        query: { is_public: "None" },
        expect: [200],
        items: (page) => page.volume_types,
        next: (page) => nextOf(page.volume_type_links),
      }),
    getType: async (id) =>
      (await client.json<{ volume_type: ApiObject }>({ method: "GET", path: at(id), expect: [200] })).volume_type,
    createType: async (fields) => {
      const json = { volume_type: fields };
      return (await client.json<{ volume_type: ApiObject }>({ method: "POST", path: "/types", json, expect: [200] })).volume_type;
    },
    async describeType(id, description) {
      await client.send({ method: "PUT", path: at(id), json: { volume_type: { description } }, expect: [200] });
    },
    async deleteType(id) {
      await client.send({ method: "DELETE", path: at(id), expect: [202, 404] });
    },
    async openType(id, projectId) {
      const json = { addProjectAccess: { project: projectId } };
      await client.send({ method: "POST", path: at(id, "/action"), json, idempotent: true, expect: [202, 409] });
    },
    async encryptionOf(typeId) {
      const found = await client.json<ApiObject>({ method: "GET", path: at(typeId, "/encryption"), expect: [200] });
      return typeof found.provider === "string" ? found : undefined;
    },
    async encryptType(typeId, encryption) {
      await client.send({ method: "POST", path: at(typeId, "/encryption"), json: { encryption }, expect: [200] });
    },
    listQosSpecs: () =>
      listAll<{ qos_specs: ApiObject[]; qos_specs_links?: Links }, ApiObject>(client, {
        path: "/qos-specs",
        expect: [200],
        items: (page) => page.qos_specs,
        next: (page) => nextOf(page.qos_specs_links),
      }),
    async giveQosSpecs(qosSpecsId, typeId) {
      const path = `/qos-specs/${encodeURIComponent(qosSpecsId)}/associate`;
      await client.send({ method: "GET", path, query: { vol_type_id: typeId }, expect: [202] });
    },
  };
}
