/**
 * The append-only API journal: one entry per request that reached the fake cloud, in order of arrival.
 *
 * An entry says what was asked, by whom, what was answered and which resources were made or removed by it, so that
 * a test proves cloud hygiene (nothing of ours left, nothing foreign touched) from the journal alone. A response that
 * a fault dropped is there with what it changed. Secrets never enter: passwords, secrets and tokens are blanked.
 */

export const SERVICE_NAMES = [
  "identity",
  "image",
  "volume",
  "object",
  "compute",
  "network",
  "load-balancer",
  "key-manager",
  "dns",
] as const;
export type ServiceName = (typeof SERVICE_NAMES)[number];

/** A resource as the journal names it: `image`, `volume`, `snapshot`, `container`, `object`, `server`, `port`, `project`, `user` … */
export interface ResourceRef {
  readonly kind: string;
  readonly id: string;
}

export interface JournalEntry {
  readonly number: number;
  readonly atMs: number;
  readonly service: ServiceName;
  readonly method: string;
  readonly path: string;
  readonly query: string;
  /** Project and user of the token; empty when there was none. */
  project: string;
  user: string;
  /** 0 until answered, and for ever when the connection was dropped before handling. */
  status: number;
  requestBytes: number;
  /** Body bytes written to the client. */
  responseBytes: number;
  /** The start of a JSON body, secrets blanked. */
  body: string;
  readonly created: ResourceRef[];
  readonly deleted: ResourceRef[];
  /** Name of the fault that hit this request. */
  fault: string;
  /** `sent`: whole response; `dropped`: none; `cut`: part of the body. `open` while it runs. */
  outcome: "open" | "sent" | "dropped" | "cut";
}

const SECRET = /("(?:password|secret|original_password|X-Subject-Token|blob|payload|psk)"\s*:\s*)"[^"]*"/g;
const TOKEN_ID = /("token"\s*:\s*\{\s*"id"\s*:\s*)"[^"]*"/g;

/** A body for the journal: at most 512 characters, secrets blanked. */
export function summarise(body: string): string {
  return body.replace(SECRET, '$1"***"').replace(TOKEN_ID, '$1"***"').slice(0, 512);
}

export class Journal {
  readonly #entries: JournalEntry[] = [];
  readonly #isStuck: (ref: ResourceRef) => boolean;

  /** `isStuck` says whether a deletion that was accepted has come to nothing (error_deleting, frozen). */
  constructor(isStuck: (ref: ResourceRef) => boolean) {
    this.#isStuck = isStuck;
  }

  open(start: Pick<JournalEntry, "atMs" | "service" | "method" | "path" | "query">): JournalEntry {
    const entry: JournalEntry = {
      number: this.#entries.length,
      ...start,
      project: "",
      user: "",
      status: 0,
      requestBytes: 0,
      responseBytes: 0,
      body: "",
      created: [],
      deleted: [],
      fault: "",
      outcome: "open",
    };
    this.#entries.push(entry);
    return entry;
  }

  /** All entries from `since` (an entry number; see `mark`). */
  entries(since = 0): readonly JournalEntry[] {
    return this.#entries.slice(since);
  }

  /** The number the next entry will get: pass it as `since` to look at one phase only. */
  mark(): number {
    return this.#entries.length;
  }

  /** Entries of one service and method whose path matches. */
  find(match: { service?: ServiceName; method?: string; path?: RegExp; status?: number }, since = 0): readonly JournalEntry[] {
    return this.entries(since).filter(
      (entry) =>
        (match.service === undefined || match.service === entry.service) &&
        (match.method === undefined || match.method === entry.method) &&
        (match.path === undefined || match.path.test(entry.path)) &&
        (match.status === undefined || match.status === entry.status),
    );
  }

  /** Ids created through the API, in order, each once. */
  created(kind: string, since = 0): readonly string[] {
    return this.#ids("created", kind, since);
  }

  /** Ids whose deletion through the API was accepted and is not stuck. */
  deleted(kind: string, since = 0): readonly string[] {
    return this.#ids("deleted", kind, since).filter((id) => !this.#isStuck({ kind, id }));
  }

  /** Created and not deleted since: what a client left in the cloud. */
  leaked(kind: string, since = 0): readonly string[] {
    const alive = new Set<string>();
    for (const entry of this.entries(since)) {
      for (const ref of entry.created) if (ref.kind === kind) alive.add(ref.id);
      for (const ref of entry.deleted) if (ref.kind === kind && !this.#isStuck(ref)) alive.delete(ref.id);
    }
    return [...alive];
  }

  /** Ids deleted through the API that the API had not created: somebody else's resources. */
  foreignDeleted(kind: string, since = 0): readonly string[] {
    const ours = new Set(this.created(kind, since));
    return this.#ids("deleted", kind, since).filter((id) => !ours.has(id));
  }

  /** Body bytes sent to clients by one service. */
  bytesSent(service: ServiceName, since = 0): number {
    return this.entries(since).reduce((sum, entry) => (entry.service === service ? sum + entry.responseBytes : sum), 0);
  }

  /** Requests per route, such as `GET image /v2/images/{id}/file`: ids, numbers and object names are folded. */
  routes(since = 0): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const entry of this.entries(since)) {
      const route = `${entry.method} ${entry.service} ${routeOf(entry)}`;
      counts.set(route, (counts.get(route) ?? 0) + 1);
    }
    return counts;
  }

  #ids(list: "created" | "deleted", kind: string, since: number): string[] {
    const ids = new Set<string>();
    for (const entry of this.entries(since)) for (const ref of entry[list]) if (ref.kind === kind) ids.add(ref.id);
    return [...ids];
  }
}

function routeOf(entry: JournalEntry): string {
  if (entry.service === "object") {
    const depth = entry.path.split("/").filter((part) => part !== "").length;
    return ["/", "/v1", "/v1/{account}", "/v1/{account}/{container}"][depth] ?? "/v1/{account}/{container}/{object}";
  }
  return entry.path.replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{32}/g, "{id}");
}
