/**
 * What one says of a resource type that is a plain object of a REST collection: which attributes a restore sends, which of them are
 * references, what they need. `declaredType` makes the resource type of it; only what is special is code, in the hooks.
 *
 * The document is the whole object as the API gave it, so nothing is lost that a later version learns to restore.
 */

import type { ApiObject, Cloud, Collection, CollectionSpec, Query } from "@permafrost/openstack";
import type { JsonObject } from "@permafrost/std";
import type { Context, FinishInput, PlanInput, Planned, PlanScope, RestoreInput } from "../resource-type.ts";
import type { References } from "./references.ts";

/** Document version 1. */
export type DeclaredDocument = {
  readonly version: 1;
  /** As the API gave it, and what the `describe` hook added. */
  readonly object: ApiObject;
  /** Names of what it refers to, by `kind/id`: how a target without these ids is searched. */
  readonly names: Readonly<Record<string, string>>;
};

/** What an attribute needs in the target; without it the attribute is left out and the plan says so. */
export interface AttributeNeeds {
  readonly role?: "manager" | "admin";
  /** Neutron extension alias. */
  readonly extension?: string;
}

export interface Declaration {
  /** `<service>.<resource>`, such as `neutron.network`. */
  readonly type: string;
  /** In messages, such as `network`. */
  readonly noun: string;
  readonly collection: CollectionSpec;
  /** Attributes sent when it is made, in the API's names. Null and undefined are not sent, unless in `nulls`. */
  readonly create: readonly string[];
  /** Attributes that creation does not take; sent by an update right after. */
  readonly update?: readonly string[];
  /** Attributes sent by an update in the `finish` step. */
  readonly finish?: readonly string[];
  /** Attributes, and what belongs to it, that the hooks restore; for the coverage table. */
  readonly byHooks?: readonly string[];
  /** Attributes whose null means something, such as a subnet's `gateway_ip`. */
  readonly nulls?: readonly string[];
  readonly needs?: Readonly<Record<string, AttributeNeeds>>;
  readonly references?: References;
  /** The object has Neutron's standard tags, set by a request of their own. */
  readonly tags?: boolean;
  /**
   * How an object is known again whose creation was answered by silence. `description`, `name`: the attribute holds our mark until the
   * journal has the object. `content`: objects equal to the request that were not there before it.
   */
  readonly mark: "description" | "name" | "content";
  /** The service's name of the limit that it counts against. */
  readonly quota?: string;
  /** The service refuses a second one of the same name in a project (with the hook `same`: a second one that is the same). */
  readonly unique?: boolean;
  /** Lists whose order means nothing, for comparison. */
  readonly unordered?: readonly string[];
  /** Attributes of `create` that are not compared after a restore, and why. */
  readonly uncompared?: Readonly<Record<string, string>>;
  /** Attributes whose values are nobody's business: neither a difference nor the ledger tells them. */
  readonly secrets?: readonly string[];
  /** What is reported instead of restored, and why; for the coverage table. */
  readonly reported?: Readonly<Record<string, string>>;
  /** The least roles; default `reader` and `member`. Without `manager` or `admin` for restoring, the plan says conflict. */
  readonly roles?: { readonly capture: string; readonly restore: string };
  /** Query of the listing; default `project_id=<own>`. */
  readonly listQuery?: (cloud: Cloud) => Query;
  /** Whether the project owns it; default by `project_id`. */
  readonly isOwned?: (object: ApiObject, cloud: Cloud) => boolean;
  /** True for what a service made for itself and makes again, such as a DHCP port. */
  readonly isDerived?: (object: ApiObject, cloud: Cloud) => boolean;
  /** Ids of what services made for something else that restores it, such as the keys of encrypted volumes; asked once per backup. */
  readonly derivedIds?: (cloud: Cloud) => Promise<ReadonlySet<string>>;
  /** Default: `name`, else `id`. */
  readonly nameOf?: (object: ApiObject) => string;
  readonly hooks?: Hooks;
}

export interface Hooks {
  /** Further attributes of the document, such as the rules of a policy. May have references, too. */
  describe?(context: Context, object: ApiObject): Promise<JsonObject>;
  /** What a backup could not have of it. */
  warnings?(object: ApiObject): readonly string[];
  /** Whether the project owns what was found by its id, where the object does not say so itself. */
  owned?(context: Context, object: ApiObject): Promise<boolean>;
  /** The id of what is always there and can only be changed, such as the security group `default`: the action is then `update`. */
  standing?(context: Context, document: DeclaredDocument): Promise<string | undefined>;
  /** Ids of what is the same thing in the target, for objects that are not known by a name. Default: those of the same name. */
  same?(context: Context, input: PlanInput<DeclaredDocument>, scope: PlanScope): Promise<readonly string[]>;
  /** The last word on the plan. */
  plan?(context: Context, input: PlanInput<DeclaredDocument>, scope: PlanScope, planned: Planned): Promise<Planned>;
  /** The request body, from the declared attributes with their references replaced; also what a verification expects, then with `targetId`. */
  body?(
    context: Context,
    input: RestoreInput<DeclaredDocument> & { readonly targetId?: string },
    body: JsonObject,
  ): Promise<JsonObject> | JsonObject;
  /** The request that makes it, where one is not enough: what the target refuses may be asked for in another way. */
  create?(collection: Collection, body: JsonObject, context: Pick<Context, "cloud" | "clock" | "signal">): Promise<ApiObject>;
  /** With the mark `content`: whether a listed object is what `like` asked for. Default: it has every attribute of it. */
  alike?(context: { readonly cloud: Cloud }, object: ApiObject, like: JsonObject): Promise<boolean>;
  /** Right after it is made and in the journal; runs again on every attempt, so it looks before it makes. Returns warnings. */
  made?(context: Context, input: FinishInput<DeclaredDocument>, object: ApiObject): Promise<readonly string[]>;
  /** In the `finish` step, beside the attributes of `finish`. Runs again on every attempt. Returns warnings. */
  finish?(context: Context, input: FinishInput<DeclaredDocument>, object: ApiObject): Promise<readonly string[]>;
  /** Further differences after a restore, as `<what>: expected …, found …`. */
  differences?(context: Context, input: FinishInput<DeclaredDocument>, found: ApiObject): Promise<readonly string[]>;
  /** Takes back the changes of an `update`; `before` is the object as it was, what `describe` adds included. */
  undoUpdate?(context: Context, targetId: string, before: ApiObject): Promise<void>;
  /** Before it is removed, such as taking a router's interfaces away. */
  beforeRemove?(context: { readonly cloud: Cloud }, object: ApiObject): Promise<void>;
  /** Settles what the service does after answering, such as an Octavia object that is PENDING_UPDATE. */
  settled?(context: Pick<Context, "cloud" | "clock" | "signal">, id: string): Promise<void>;
}
