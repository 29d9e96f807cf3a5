/** The policies of all unlocked repositories, as people make and change them. */

import type { BackupPolicy } from "@permafrost/model";
import { type Clock, CodedError, isoTime } from "@permafrost/std";
import { PolicyStore, type StoredPolicy } from "./policy-store.ts";
import type { Repositories } from "./repositories.ts";
import { nextDue } from "./schedule.ts";

export interface PolicyView {
  readonly policy: BackupPolicy;
  readonly repositoryId: string;
  readonly repository: string;
  /** When it is due next; absent while it is paused. */
  readonly nextDueAt?: string;
}

export interface PoliciesParts {
  readonly repositories: Repositories;
  readonly holder: string;
  readonly clock: Clock;
}

export class Policies {
  readonly #parts: PoliciesParts;

  constructor(parts: PoliciesParts) {
    this.#parts = parts;
  }

  /** Of one repository, or of all that are unlocked; in order of repository and name. */
  async list(repositoryNameOrId = ""): Promise<PolicyView[]> {
    const { repositories } = this.#parts;
    const opened = repositoryNameOrId === "" ? await repositories.unlocked() : [await this.#repository(repositoryNameOrId)];
    const views = opened.map(async (repository) => {
      const stored = await new PolicyStore(repository, this.#parts.holder).list();
      return stored.map(({ policy }) => this.#view(policy, repository));
    });
    return (await Promise.all(views)).flat();
  }

  /** Makes the policy, or changes the one of its name. What was due before is not made up for. POLICY_INVALID. */
  async put(repositoryNameOrId: string, wanted: Omit<BackupPolicy, "version" | "since" | "last">): Promise<PolicyView> {
    const repository = await this.#repository(repositoryNameOrId);
    const store = new PolicyStore(repository, this.#parts.holder);
    const before = await store.get(wanted.name);
    const last = before?.policy.last;
    const policy = { ...wanted, version: 1 as const, since: isoTime(this.#parts.clock.now()), ...(last ? { last } : {}) };
    return this.#view((await store.put(policy, before)).policy, repository);
  }

  /** POLICY_UNKNOWN. */
  async pause(repositoryNameOrId: string, name: string, isPaused: boolean): Promise<PolicyView> {
    const { policy } = await this.#find(repositoryNameOrId, name);
    const { version: _version, since: _since, last: _last, ...wanted } = policy;
    return await this.put(repositoryNameOrId, { ...wanted, isPaused });
  }

  /** Its sessions stay. POLICY_UNKNOWN. */
  async delete(repositoryNameOrId: string, name: string): Promise<PolicyView> {
    const repository = await this.#repository(repositoryNameOrId);
    const found = await this.#find(repositoryNameOrId, name);
    await new PolicyStore(repository, this.#parts.holder).delete(found);
    return this.#view(found.policy, repository);
  }

  async #find(repositoryNameOrId: string, name: string): Promise<StoredPolicy> {
    const found = await new PolicyStore(await this.#repository(repositoryNameOrId), this.#parts.holder).get(name);
    if (found !== undefined) return found;
    throw new CodedError("POLICY_UNKNOWN", `There is no policy ${JSON.stringify(name)}`, {
      facts: { policy: name },
      hint: "`permafrost policy list` names them.",
    });
  }

  async #repository(nameOrId: string) {
    const { repositories } = this.#parts;
    return await repositories.open((await repositories.header(nameOrId)).repositoryId);
  }

  #view(policy: BackupPolicy, { id, name }: { readonly id: string; readonly name: string }): PolicyView {
    const next = policy.isPaused ? undefined : nextDue(policy, this.#parts.clock.now());
    return { policy, repositoryId: id, repository: name, ...(next === undefined ? {} : { nextDueAt: isoTime(next) }) };
  }
}
