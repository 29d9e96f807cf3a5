/**
 * The repositories a process can open: those whose secret is in its keyring. Opened once, kept open. A repository is named by
 * its name or its id.
 */

import type { BlockStore } from "@permafrost/blocks";
import type { RepositoryId } from "@permafrost/model";
import {
  listRepositoryHeaders,
  loadSecret,
  openRepository,
  type Repository,
  type RepositoryHeader,
} from "@permafrost/repository";
import { CodedError } from "@permafrost/std";

export class Repositories {
  readonly #store: BlockStore;
  readonly #keyring: string;
  readonly #open = new Map<string, Promise<Repository>>();

  constructor(store: BlockStore, keyring: string) {
    this.#store = store;
    this.#keyring = keyring;
  }

  async headers(): Promise<RepositoryHeader[]> {
    const headers = await listRepositoryHeaders(this.#store);
    return headers.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /**
   * The header of a repository by name or id. Throws NO_REPOSITORY; REPOSITORY_UNREADABLE when it may be one whose header
   * cannot be read.
   */
  async header(nameOrId: string): Promise<RepositoryHeader> {
    const unreadable = new Map<RepositoryId, CodedError>();
    const headers = await listRepositoryHeaders(this.#store, (id, error) => unreadable.set(id, error));
    const found = headers.find((h) => h.name === nameOrId || h.repositoryId === nameOrId);
    if (found !== undefined) return found;
    for (const [id, error] of unreadable) {
      if (/^[0-9a-f]{32}$/.test(nameOrId) && id !== nameOrId) continue;
      // What is left of a making that failed has no header and nothing else; where there are records there was a header.
      if (error.code === "NO_REPOSITORY" && (await this.#store.listRecords(id, "")).length === 0) continue;
      throw unreadableHeader(nameOrId, id, error);
    }
    throw new CodedError("NO_REPOSITORY", `There is no repository ${JSON.stringify(nameOrId)}`, {
      facts: { repository: nameOrId },
      hint: "`permafrost repository list` names them; `permafrost repository init NAME` makes one.",
    });
  }

  /** Opens by id with the keyring's secret. Throws NO_REPOSITORY, KEY_NOT_IN_KEYRING, WRONG_KEY. */
  async open(id: string): Promise<Repository> {
    const known = this.#open.get(id);
    if (known !== undefined) return await known;
    const opening = (async () => {
      const header = await this.header(id);
      return await openRepository(this.#store, header.repositoryId, await loadSecret(this.#keyring, header));
    })();
    this.#open.set(id, opening);
    opening.catch(() => this.#open.delete(id));
    return await opening;
  }

  /** Those that open; the others are left out. */
  async unlocked(): Promise<Repository[]> {
    const opened: Repository[] = [];
    for (const header of await this.headers()) {
      try {
        opened.push(await this.open(header.repositoryId));
      } catch (error) {
        if (!isLocked(error)) throw error;
      }
    }
    return opened;
  }

  forget(id: string): void {
    this.#open.delete(id);
  }
}

function unreadableHeader(nameOrId: string, id: RepositoryId, error: CodedError): CodedError {
  const isAbsent = error.code === "NO_REPOSITORY";
  const why = isAbsent ? "it has records but no header" : error.message;
  return new CodedError(
    "REPOSITORY_UNREADABLE",
    `It cannot be told whether there is a repository ${JSON.stringify(nameOrId)}: the header of ${id} cannot be read (${why})`,
    {
      facts: { repository: nameOrId, unreadable: id, reason: isAbsent ? "HEADER_MISSING" : error.code },
      hint: "Start the storage nodes with `--rebuild-index`; their packs may have what their index lost.",
      retry: isAbsent ? "later" : error.retry,
      cause: error,
    },
  );
}

/** What opening says when this process has no good key: such a repository must not keep the others from being served. */
const LOCKED: readonly string[] = [
  "KEY_NOT_IN_KEYRING",
  "KEYRING_EXPOSED",
  "KEYRING_BROKEN",
  "WRONG_KEY",
  "RECOVERY_KEY_MALFORMED",
];

/** Whether a repository could not be opened for want of its key alone. */
export function isLocked(error: unknown): boolean {
  return CodedError.is(error) && LOCKED.includes(error.code);
}
