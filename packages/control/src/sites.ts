/**
 * Other sites: clusters of their own, whose storage nodes this one reads to copy restore points from. Nothing is written there.
 *
 * Connected to when first asked for, so that a site which is away keeps nobody from starting; a connection that failed is tried anew.
 */

import type { BlockStore } from "@permafrost/blocks";
import type { Repository, RepositoryHeader } from "@permafrost/repository";
import { CodedError } from "@permafrost/std";
import { Repositories } from "./repositories.ts";

export interface Site {
  /** Opens its storage nodes, to be read. */
  readonly open: () => Promise<BlockStore>;
  /** Directory with the secrets of its repositories. */
  readonly keyring: string;
}

export class Sites {
  readonly #sites: Readonly<Record<string, Site>>;
  readonly #open = new Map<string, Promise<{ readonly store: BlockStore; readonly repositories: Repositories }>>();

  constructor(sites: Readonly<Record<string, Site>>) {
    this.#sites = sites;
  }

  /** By name or id. Throws SITE_UNKNOWN, NO_REPOSITORY and what connecting throws. */
  async header(site: string, repository: string): Promise<RepositoryHeader> {
    return await (await this.#repositories(site)).header(repository);
  }

  /** Opens a repository by id with the site's keyring. Throws KEY_NOT_IN_KEYRING and WRONG_KEY besides. */
  async repository(site: string, repositoryId: string): Promise<Repository> {
    return await (await this.#repositories(site)).open(repositoryId);
  }

  async close(): Promise<void> {
    for (const open of this.#open.values()) await (await open.catch(() => undefined))?.store.close();
  }

  async #repositories(name: string): Promise<Repositories> {
    const site = Object.hasOwn(this.#sites, name) ? this.#sites[name] : undefined;
    if (site === undefined)
      throw new CodedError("SITE_UNKNOWN", `The coordinator's configuration has no site ${JSON.stringify(name)}`, {
        facts: { site: name, sites: Object.keys(this.#sites).join(", ") },
        hint: "Add it under `sites`, with its storage nodes, a token that may read, and a keyring.",
      });
    const open =
      this.#open.get(name) ?? site.open().then((store) => ({ store, repositories: new Repositories(store, site.keyring) }));
    this.#open.set(name, open);
    open.catch(() => this.#open.delete(name));
    return (await open).repositories;
  }
}
