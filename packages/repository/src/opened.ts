/**
 * The Repository that `initRepository` and `openRepository` return, and the parts of it that this package's own
 * functions (check) need and its users do not.
 */

import type { BlockStore, Scope } from "@permafrost/blocks";
import { gearTable } from "@permafrost/chunker";
import { deriveRepositoryKeys } from "@permafrost/crypto";
import type { RepositoryHeader } from "@permafrost/format";
import { assert, type Random } from "@permafrost/std";
import type { Reader, Records, Repository, Writer } from "./contract.ts";
import { PageReader } from "./page-reader.ts";
import { SealedRecords } from "./records.ts";
import { Sealing } from "./sealing.ts";
import { RepositoryReader } from "./stream-reader.ts";
import { RepositoryWriter } from "./writer.ts";

export interface OpenedParts {
  readonly store: BlockStore;
  readonly pages: PageReader;
}

const partsOf = new WeakMap<Repository, OpenedParts>();

/** The parts of a repository that this package opened. */
export function openedParts(repository: Repository): OpenedParts {
  const parts = partsOf.get(repository);
  assert(parts, "this repository was not opened by this package");
  return parts;
}

/** A Repository over `store`; the key is right. */
export function repositoryWithKey(
  store: BlockStore,
  header: RepositoryHeader,
  repositoryKey: Uint8Array,
  random: Random,
): Repository {
  const id = header.repositoryId;
  const keys = deriveRepositoryKeys(repositoryKey, id);
  const sealing = new Sealing(id, keys, header.hash, random);
  const pages = new PageReader(store, id, sealing);
  const gear = gearTable(keys.cut);
  const repository: Repository = {
    id,
    name: header.name,
    writer: (scope): Writer => new RepositoryWriter(store, own(scope, id), sealing, pages, gear),
    reader: (): Reader => new RepositoryReader(pages),
    records: (scope): Records => new SealedRecords(store, own(scope, id), sealing),
  };
  partsOf.set(repository, { store, pages });
  return repository;
}

function own(scope: Scope, id: string): Scope {
  assert(scope.repositoryId === id, `a scope of repository ${scope.repositoryId} is used with ${id}`);
  return scope;
}
