/** The policies of one repository: records, each version written on the one that was read, so that of two writers one is told. */

import type { BackupPolicy } from "@permafrost/model";
import type { Records, Repository } from "@permafrost/repository";
import { CodedError, fromUtf8, utf8 } from "@permafrost/std";
import { nextDue } from "./schedule.ts";

const PREFIX = "policy/";
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

export interface StoredPolicy {
  readonly policy: BackupPolicy;
  readonly version: bigint;
}

export class PolicyStore {
  readonly #records: Records;

  constructor(repository: Repository, holder: string) {
    this.#records = repository.records({ repositoryId: repository.id, sessionId: "coordinator", taskId: holder, fence: 0n });
  }

  /** In order of name. */
  async list(): Promise<StoredPolicy[]> {
    return (await this.#records.list(PREFIX)).map(({ value, version }) => ({ policy: parsed(value), version }));
  }

  async get(name: string): Promise<StoredPolicy | undefined> {
    const found = await this.#records.get(PREFIX + name);
    return found && { policy: parsed(found.value), version: found.version };
  }

  /** Writes it over `before`, or as a new one. POLICY_INVALID, RECORD_CONFLICT. */
  async put(policy: BackupPolicy, before?: StoredPolicy): Promise<StoredPolicy> {
    checkPolicy(policy);
    const version = (before?.version ?? (await this.#records.get(PREFIX + policy.name))?.version ?? 0n) + 1n;
    await this.#records.put(PREFIX + policy.name, version, utf8(JSON.stringify(policy)));
    return { policy, version };
  }

  async delete({ policy, version }: StoredPolicy): Promise<void> {
    await this.#records.delete(PREFIX + policy.name, version + 1n);
  }
}

function checkPolicy(policy: BackupPolicy): void {
  const { name, backup, keep } = policy;
  if (!NAME.test(name))
    throw new CodedError("POLICY_INVALID", `${JSON.stringify(name)} cannot name a policy`, {
      facts: { name },
      hint: "Up to 64 letters, digits, `.`, `_` and `-`, beginning with a letter or digit.",
    });
  if (backup.target.cloud === "") throw new CodedError("POLICY_INVALID", "A policy needs a cloud, as named in clouds.yaml");
  const counts = Object.values(keep ?? { last: 1 });
  if (counts.length === 0 || counts.some((count) => !Number.isSafeInteger(count) || count < 1))
    throw new CodedError("POLICY_INVALID", "A policy keeps at least one restore point by each rule it has");
  nextDue(policy, 0);
}

function parsed(value: Uint8Array): BackupPolicy {
  const policy = JSON.parse(fromUtf8(value)) as BackupPolicy;
  if (policy.version === 1) return policy;
  throw new CodedError("FORMAT_UNKNOWN", `Policy version ${String(policy.version)} is newer than this program`, {
    hint: "Upgrade Permafrost.",
  });
}
