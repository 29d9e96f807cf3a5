/** Barbican's state: secrets with their payloads, containers, access lists, consumers. Payloads are never part of what a list shows. */

import type { Clock } from "@permafrost/std";
import { uuid } from "../ids.ts";

export type ContentType = "text/plain" | "application/octet-stream" | "application/pkcs8";

export interface Acl {
  users: string[];
  projectAccess: boolean;
  readonly createdMs: number;
  updatedMs: number;
}

interface Kept {
  readonly id: string;
  readonly projectId: string;
  readonly creatorId: string;
  readonly name: string | null;
  readonly createdMs: number;
  updatedMs: number;
  acl: Acl | undefined;
  readonly consumers: Record<string, string>[];
}

export interface Secret extends Kept {
  readonly secretType: string;
  readonly algorithm: string | null;
  readonly bitLength: number | null;
  readonly mode: string | null;
  readonly expirationMs: number | undefined;
  payload: Uint8Array | undefined;
  contentType: ContentType | undefined;
  metadata: Record<string, string>;
}

export interface SecretContainer extends Kept {
  readonly type: "generic" | "rsa" | "certificate";
  secrets: { readonly name: string | null; readonly secretId: string }[];
}

export type SecretFields = Partial<Omit<Secret, "id" | "createdMs" | "updatedMs" | "consumers">> & {
  readonly projectId: string;
};

/** Limits of a project by resource; -1 is none. */
const QUOTAS: Readonly<Record<string, number>> = { secrets: -1, orders: -1, containers: -1, consumers: -1, cas: -1 };

export class KeyStore {
  readonly secrets = new Map<string, Secret>();
  readonly containers = new Map<string, SecretContainer>();
  readonly #quotas = new Map<string, Record<string, number>>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  nowMs(): number {
    return this.#clock.now();
  }

  addSecret(fields: SecretFields): Secret {
    const secret: Secret = {
      creatorId: "",
      name: null,
      secretType: "opaque",
      algorithm: null,
      bitLength: null,
      mode: null,
      expirationMs: undefined,
      payload: undefined,
      contentType: fields.payload === undefined ? undefined : "application/octet-stream",
      metadata: {},
      acl: undefined,
      ...fields,
      ...this.#born(),
    };
    this.secrets.set(secret.id, secret);
    return secret;
  }

  addContainer(
    fields: Pick<SecretContainer, "projectId" | "type" | "secrets"> &
      Partial<Pick<SecretContainer, "name" | "creatorId" | "acl">>,
  ): SecretContainer {
    const container: SecretContainer = { creatorId: "", name: null, acl: undefined, ...fields, ...this.#born() };
    this.containers.set(container.id, container);
    return container;
  }

  /** An expired secret is not there any more. */
  secret(id: string): Secret | undefined {
    const found = this.secrets.get(id);
    return found === undefined || (found.expirationMs ?? Number.POSITIVE_INFINITY) <= this.nowMs() ? undefined : found;
  }

  secretsOf(projectId: string): Secret[] {
    return [...this.secrets.values()].filter((each) => each.projectId === projectId && this.secret(each.id) !== undefined);
  }

  containersOf(projectId: string): SecretContainer[] {
    return [...this.containers.values()].filter((each) => each.projectId === projectId);
  }

  /** Its places in containers go with it. */
  removeSecret(id: string): void {
    this.secrets.delete(id);
    for (const container of this.containers.values())
      container.secrets = container.secrets.filter((each) => each.secretId !== id);
  }

  setAcl(of: Kept, users: readonly string[] | undefined, projectAccess: boolean): void {
    const now = this.nowMs();
    of.acl = {
      users: [...(users ?? of.acl?.users ?? [])],
      projectAccess,
      createdMs: of.acl?.createdMs ?? now,
      updatedMs: now,
    };
  }

  quotas(projectId: string): Record<string, number> {
    return { ...QUOTAS, ...this.#quotas.get(projectId) };
  }

  setQuotas(projectId: string, limits: Record<string, number> | undefined): void {
    if (limits === undefined) this.#quotas.delete(projectId);
    else this.#quotas.set(projectId, limits);
  }

  #born(): Pick<Kept, "id" | "createdMs" | "updatedMs" | "consumers"> {
    const now = this.nowMs();
    return { id: uuid(), createdMs: now, updatedMs: now, consumers: [] };
  }
}
