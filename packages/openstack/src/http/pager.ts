/**
 * One pager for every listing. A service says where the next page is with a link (Cinder `volumes_links`, Glance `next`, Keystone
 * `links.next`) or by its last name (Swift). Of a link only the query is taken, on the path that was asked first: behind a proxy
 * links carry a wrong host, and a token must not follow one elsewhere.
 * A page asked for twice is PAGINATION_LOOP, as are more pages than `PAGES_MAX`.
 */

import { CodedError } from "@permafrost/std";
import type { Query, ServiceClient } from "./service-client.ts";

/** At the smallest page Glance gives (25) this is 2.5 million objects. */
const PAGES_MAX = 100_000;

export interface Listing<Page, Item> {
  readonly path: string;
  readonly query?: Query | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly expect: readonly number[];
  readonly items: (page: Page) => readonly Item[] | undefined;
  /** The query of the next page, or undefined at the end. */
  readonly next: (page: Page, query: Query) => Query | undefined;
  readonly pagesMax?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Items page by page. Throws PAGINATION_LOOP, LIST_CHANGED, BAD_RESPONSE and the client's errors. */
export async function* listAll<Page, Item>(
  client: ServiceClient,
  listing: Listing<Page, Item>,
): AsyncGenerator<Item, void, undefined> {
  const seen = new Set<string>();
  const pagesMax = listing.pagesMax ?? PAGES_MAX;
  let query: Query | undefined = listing.query ?? {};
  for (let number = 1; query !== undefined; number++) {
    const key = JSON.stringify(Object.entries(query).sort());
    if (seen.has(key) || number > pagesMax) throw loop(listing.path, number);
    seen.add(key);
    const page = await fetchPage(client, listing, query, number);
    const items = listing.items(page);
    if (!Array.isArray(items)) {
      throw new CodedError("BAD_RESPONSE", `GET ${listing.path} answered no list`, {
        facts: { method: "GET", url: listing.path },
      });
    }
    yield* items;
    query = listing.next(page, query);
  }
}

/** The query of a link, over the query of the page before it. */
export function linkQuery(link: string | null | undefined): Query | undefined {
  if (link === undefined || link === null || link === "") return undefined;
  const mark = link.indexOf("?");
  return mark < 0 ? undefined : Object.fromEntries(new URLSearchParams(link.slice(mark + 1)));
}

/** The `next` of `[{rel, href}]`, as Cinder, Nova and Octavia give. */
export function nextOf(links: readonly { readonly rel?: string; readonly href?: string }[] | undefined): Query | undefined {
  return linkQuery(links?.find((link) => link.rel === "next")?.href);
}

async function fetchPage<Page, Item>(
  client: ServiceClient,
  listing: Listing<Page, Item>,
  query: Query,
  number: number,
): Promise<Page> {
  const { path, headers, expect, signal } = listing;
  try {
    return await client.json<Page>({ method: "GET", path, query, headers, expect, signal });
  } catch (error) {
    // The object that marks the page was deleted meanwhile: Cinder answers 404, Glance 400.
    const gone = CodedError.is(error) && (error.code === "NOT_FOUND" || error.facts.status === 400);
    if (number === 1 || !gone) throw error;
    throw new CodedError("LIST_CHANGED", `GET ${path}: the list changed while it was read`, {
      facts: { ...error.facts, page: number },
      retry: "later",
      cause: error,
    });
  }
}

function loop(path: string, page: number): CodedError {
  return new CodedError("PAGINATION_LOOP", `GET ${path} does not end: page ${page} was given before, or there are too many`, {
    facts: { method: "GET", url: path, page },
    hint: "This is a fault of the service or of a proxy before it.",
    retry: "later",
  });
}
