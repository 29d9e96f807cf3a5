/**
 * Making, finding and opening repositories.
 *
 * The header (FORMAT.md, B1) is the one record in the clear. Opening proves that it was written by who holds the key: its
 * slot gives the repository key, and the key its authentication code. Making one returns the only copy of its recovery key.
 */

import type { BlockStore } from "@permafrost/blocks";
import {
  blake3Keyed,
  deriveRepositoryKeys,
  formatRecoveryKey,
  type IdHash,
  KEY_BYTES,
  type Secret,
  unwrapRepositoryKey,
  wrapRepositoryKey,
} from "@permafrost/crypto";
import {
  decodeRepositoryHeader,
  encodeRepositoryHeader,
  REPOSITORY_HEADER_KEY,
  type RepositoryHeader,
  repositoryHeaderAuthenticated,
} from "@permafrost/format";
import type { RepositoryId } from "@permafrost/model";
import {
  type Clock,
  CodedError,
  equalBytes,
  fromHex,
  isoTime,
  type Random,
  randomId,
  systemClock,
  systemRandom,
  toHex,
} from "@permafrost/std";
import type { Repository } from "./contract.ts";
import { repositoryWithKey } from "./opened.ts";

export interface InitOptions {
  /** 1 to 255 characters. */
  readonly name: string;
  readonly secret: Secret;
  readonly clock?: Clock;
  readonly random?: Random;
  /** What names blocks; default BLAKE3. */
  readonly hash?: IdHash;
}

export interface InitializedRepository {
  readonly repository: Repository;
  /** Opens the repository when the secret is lost; stored nowhere. */
  readonly recoveryKey: string;
}

/** Makes an empty repository that `secret` and a new recovery key open. */
export async function initRepository(store: BlockStore, options: InitOptions): Promise<InitializedRepository> {
  const { name, secret, clock = systemClock, random = systemRandom, hash = "blake3" } = options;
  const repositoryId = randomId(random);
  const repositoryKey = random.bytes(KEY_BYTES);
  const recoveryKey = formatRecoveryKey(random.bytes(KEY_BYTES));
  const slots = [
    await wrapRepositoryKey(repositoryKey, repositoryId, secret, random),
    await wrapRepositoryKey(repositoryKey, repositoryId, { kind: "recovery", value: recoveryKey }, random),
  ];
  const plain = { format: 1, repositoryId, name, createdAt: isoTime(clock.now()), hash } as const;
  const header: RepositoryHeader = { ...plain, slots, mac: toHex(headerMac(repositoryKey, plain)) };
  const scope = { repositoryId, sessionId: "init", taskId: "init", fence: 1n };
  await store.putRecord(scope, { key: REPOSITORY_HEADER_KEY, version: 1n, body: encodeRepositoryHeader(header) });
  return { repository: repositoryWithKey(store, header, repositoryKey, random), recoveryKey };
}

/**
 * Opens a repository. NO_REPOSITORY if the store has none of this id, WRONG_KEY if `secret` does not open it, HEADER_FORGED
 * if its header was not written by who holds the key.
 */
export async function openRepository(
  store: BlockStore,
  repositoryId: RepositoryId,
  secret: Secret,
  random: Random = systemRandom,
): Promise<Repository> {
  const header = await readHeader(store, repositoryId);
  const repositoryKey = await unwrapRepositoryKey(header.slots, repositoryId, secret);
  if (!equalBytes(headerMac(repositoryKey, header), fromHex(header.mac))) {
    throw new CodedError("HEADER_FORGED", "the repository's header was changed by someone without its key", {
      facts: { repositoryId },
      hint: "Do not trust the storage node that served it; compare with another replica.",
      retry: "elsewhere",
    });
  }
  return repositoryWithKey(store, header, repositoryKey, random);
}

/** The header of a repository, not yet authenticated; NO_REPOSITORY if there is none. */
export async function readHeader(store: BlockStore, repositoryId: RepositoryId): Promise<RepositoryHeader> {
  const record = await store.getRecord(repositoryId, REPOSITORY_HEADER_KEY);
  if (!record) {
    throw new CodedError("NO_REPOSITORY", `the storage nodes have no repository ${repositoryId}`, {
      facts: { repositoryId },
      hint: "List the repositories, or make one with `permafrost init`.",
    });
  }
  const header = decodeRepositoryHeader(record.body);
  if (header.repositoryId === repositoryId) return header;
  throw new CodedError("HEADER_FORGED", "the repository's header is that of another repository", {
    facts: { repositoryId, found: header.repositoryId },
    retry: "elsewhere",
  });
}

/**
 * The headers of all repositories of the store, by name. One repository's unreadable header hides no other: it is
 * left out and told to `onUnreadable`.
 */
export async function listRepositoryHeaders(
  store: BlockStore,
  onUnreadable: (repositoryId: RepositoryId, error: CodedError) => void = () => {},
): Promise<RepositoryHeader[]> {
  const headers: RepositoryHeader[] = [];
  for (const repositoryId of await store.listRepositories()) {
    try {
      headers.push(await readHeader(store, repositoryId));
    } catch (error) {
      if (!CodedError.is(error) || !HEADER_CODES.has(error.code)) throw error;
      onUnreadable(repositoryId, error);
    }
  }
  return headers.sort((a, b) => (a.name === b.name ? 0 : a.name < b.name ? -1 : 1));
}

const HEADER_CODES: ReadonlySet<string> = new Set(["NO_REPOSITORY", "HEADER_BROKEN", "HEADER_FORGED", "FORMAT_UNKNOWN"]);

function headerMac(repositoryKey: Uint8Array, header: Omit<RepositoryHeader, "slots" | "mac">): Uint8Array {
  return blake3Keyed(deriveRepositoryKeys(repositoryKey, header.repositoryId).header, repositoryHeaderAuthenticated(header));
}
