/** What a token says of its bearer, without its secret. */

import type { CatalogEntry } from "../auth/catalog.ts";
import type { NamedRef, Token } from "../auth/token.ts";

export interface WhoAmI {
  readonly user: NamedRef & { readonly domain: NamedRef };
  readonly project: (NamedRef & { readonly domain: NamedRef }) | undefined;
  readonly roles: readonly NamedRef[];
  /** A role named `admin` on this scope; policies decide what it may do. */
  readonly isAdmin: boolean;
  readonly isSystem: boolean;
  readonly methods: readonly string[];
  readonly catalog: readonly CatalogEntry[];
  readonly expiresAt: string;
}

export function whoAmI(token: Token): WhoAmI {
  const { user, project, roles, isSystem, methods, catalog, expiresAt } = token;
  return { user, project, roles, isAdmin: roles.some((role) => role.name === "admin"), isSystem, methods, catalog, expiresAt };
}
