/** What one says of a collection of Neutron: where it is, its attributes, and how its objects come, change and go. */

import type { Call, Reply } from "../http.ts";
import type { Attributes, Fields } from "./attributes.ts";
import { refuse } from "./error.ts";
import type { Networking, Row } from "./networking.ts";
import type { Asker, Target } from "./policy.ts";

/** One request, once it is known who asks. */
export interface Ask {
  readonly call: Call;
  readonly asker: Asker;
  readonly net: Networking;
  readonly isAdmin: boolean;
  /** Notes in the journal what came and went. */
  readonly created: (row: Row) => void;
  readonly deleted: (row: Row) => void;
}

/** A row, or what is to become one. */
export interface Thing {
  readonly id?: string;
  readonly projectId: string;
  readonly parentId?: string;
  readonly fields: Fields;
}

/** `GET` or `PUT` of `<collection>/<id>/<action>`. The result is the answer's body. */
export interface Action {
  readonly method: "GET" | "PUT";
  /** The policy rule; default the action's name. */
  readonly rule?: string;
  run(ask: Ask, row: Row, body: Fields): unknown;
}

export interface Kind {
  /** As in the policy and the envelope of one object, such as `security_group`. Of a kind below another without the parent's name. */
  readonly name: string;
  /** In policy rules, if not `name`: `policy_bandwidth_limit_rule`. */
  readonly rule?: string;
  /** The envelope of one object, if not `name`. */
  readonly member?: string;
  /** The envelope of a list. */
  readonly collection: string;
  /** Below `/v2.0`, such as `qos/policies`. A kind below another says the last part only, and `parent`. */
  readonly path: string;
  /** Name of the kind that it is below. */
  readonly parent?: string;
  readonly attributes: Attributes;
  /** The extension that adds it. */
  readonly extension?: string;
  /** In the journal, such as `network`. */
  readonly journal: string;
  /** It has a description, times, a revision; and tags. */
  readonly standard?: boolean;
  readonly tagged?: boolean;
  /** Where its tags are, if not below `path`: tagging knows a collection by its name alone (`neutron/extensions/tagging.py`). */
  readonly tagsPath?: string;
  /** Its name in quotas. */
  readonly quota?: string;
  /** Methods that the server does not have for it, such as PUT of a rule. */
  readonly without?: readonly ("GET" | "POST" | "PUT" | "DELETE")[];
  readonly actions?: Readonly<Record<string, Action>>;
  /** Throws the server's "could not be found". */
  missing(id: string): never;
  /** How one below a parent is found, if not by its id. */
  resolve?(net: Networking, id: string, parent: Row | undefined): Row | undefined;
  /** Default: a row of the fields. */
  create?(ask: Ask, fields: Fields, projectId: string, parent: Row | undefined): Row;
  /** Default: sets the fields. */
  update?(ask: Ask, row: Row, changes: Fields): void;
  /** Default: removes the row. */
  remove?(ask: Ask, row: Row): void;
  /** Attributes beside the row's fields, and those that are not shown as they are. */
  view?(net: Networking, row: Row, asker: Asker): Fields;
  /** What policy rules look at, beside the project. */
  target?(net: Networking, thing: Thing, asker: Asker): Partial<Target>;
  /** Before the policy: what a POST is refused for. */
  checkOwner?(ask: Ask, fields: Fields, projectId: string): void;
  /** Made when somebody lists it, such as a project's default security group. */
  prepare?(ask: Ask): void;
  /** The listing that makes it does not show it yet. */
  readonly preparesUnseen?: boolean;
  /** Whether a listed row matches a filter that is not a plain attribute; undefined for those that are. */
  matches?(net: Networking, row: Row, name: string, values: readonly string[]): boolean | undefined;
}

export function missing(type: string, what: string): (id: string) => never {
  return (id) => refuse(404, type, what.replace("%s", id));
}

/** A reply that is not `200` with JSON. */
export function isReply(value: unknown): value is Reply {
  return typeof value === "object" && value !== null && typeof (value as Reply).status === "number" && "headers" in value;
}
