/** RepositoryService: make, list and unlock repositories. Secrets arrive here and go into the keyring, nowhere else. */

import type { BlockStore } from "@permafrost/blocks";
import { type Coordinator, isLocked } from "@permafrost/control";
import {
  initRepository,
  openRepository,
  type RepositoryHeader,
  type Secret,
  saveSecret,
  secretFromKeyFile,
} from "@permafrost/repository";
import type { control } from "@permafrost/rpc";
import { type Clock, CodedError, type Random } from "@permafrost/std";

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

export interface RepositoryServiceOptions {
  readonly coordinator: Coordinator;
  readonly store: BlockStore;
  readonly keyring: string;
  readonly clock: Clock;
  readonly random: Random;
}

export function repositoryService(options: RepositoryServiceOptions): control.RepositoryServiceImplementation {
  const { coordinator, store, keyring, clock, random } = options;
  const repositories = coordinator.repositories;

  const wire = async (header: RepositoryHeader): Promise<control.Repository> => {
    let restorePoints: number | undefined;
    try {
      restorePoints = (await coordinator.restorePoints(header.repositoryId)).length;
    } catch (error) {
      if (!isLocked(error)) throw error;
    }
    return {
      id: header.repositoryId,
      name: header.name,
      createdAt: new Date(header.createdAt),
      unlocked: restorePoints !== undefined,
      restorePoints: restorePoints ?? 0,
    };
  };

  return {
    async initRepository({ name, secret }) {
      if (!NAME.test(name)) {
        throw new CodedError("REQUEST_INVALID", `${JSON.stringify(name)} cannot name a repository`, {
          facts: { field: "name" },
          hint: "Use up to 64 letters, digits, dots, underscores and dashes, beginning with a letter or digit.",
        });
      }
      if ((await repositories.headers()).some((h) => h.name === name)) {
        throw new CodedError("REPOSITORY_EXISTS", `There is a repository ${name} already`, { facts: { repository: name } });
      }
      const given = secretOf(secret);
      if (given.kind === "recovery")
        throw noSecret("A new repository needs a passphrase or a key file; it makes its own recovery key");
      const { repository, recoveryKey } = await initRepository(store, { name, secret: given, clock, random });
      const header = await repositories.header(repository.id);
      await saveSecret(keyring, header.name, given);
      return { repository: await wire(header), recoveryKey };
    },

    async listRepositories() {
      return { repositories: await Promise.all((await repositories.headers()).map(wire)) };
    },

    async unlockRepository({ repository, secret }) {
      const header = await repositories.header(repository);
      const given = secretOf(secret);
      await openRepository(store, header.repositoryId, given);
      await saveSecret(keyring, header.name, given);
      repositories.forget(header.repositoryId);
      return { repository: await wire(header) };
    },
  };
}

function secretOf(secret: control.Secret | undefined): Secret {
  switch (secret?.kind?.$case) {
    case "passphrase":
      if (secret.kind.value === "") break;
      return { kind: "passphrase", value: secret.kind.value };
    case "key":
      return secretFromKeyFile(secret.kind.value);
    case "recoveryKey":
      return { kind: "recovery", value: secret.kind.value };
  }
  throw noSecret("A repository needs a passphrase, a key file or a recovery key");
}

function noSecret(message: string): CodedError {
  return new CodedError("REQUEST_INVALID", message, { facts: { field: "secret" } });
}
