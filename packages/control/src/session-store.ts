/**
 * Session records: sealed, versioned, on the storage nodes, under `session/<id>`. Wiping the bus loses none of them.
 * The list of a session's resources is a stored stream of JSON lines, so a session of any size has a small record.
 */

import {
  isRestorePoint,
  type ResourceResult,
  type SessionId,
  type SessionRecord,
  type SessionSource,
  type StreamRoot,
} from "@permafrost/model";
import type { Records, Repository, Writer, Written } from "@permafrost/repository";
import { CodedError, fromUtf8, utf8 } from "@permafrost/std";

const PREFIX = "session/";

export class SessionStore {
  readonly #repository: Repository;
  readonly #records: Records;
  readonly #versions = new Map<SessionId, bigint>();

  /**
   * `holder` names this process. Two leaders at once are told apart by the records' versions, each written on the one before: of two
   * writers of a version one finds RECORD_CONFLICT. (The lease's fence would not do: it begins anew when the bus is wiped.)
   */
  constructor(repository: Repository, holder = "reader") {
    this.#repository = repository;
    this.#records = repository.records({ repositoryId: repository.id, sessionId: "coordinator", taskId: holder, fence: 0n });
  }

  /** Writes the record as the next version of itself. */
  async save(record: SessionRecord): Promise<void> {
    let version = this.#versions.get(record.id);
    if (version === undefined) version = (await this.#records.get(PREFIX + record.id))?.version ?? 0n;
    await this.#records.put(PREFIX + record.id, version + 1n, utf8(JSON.stringify(record)));
    this.#versions.set(record.id, version + 1n);
  }

  async get(id: SessionId): Promise<SessionRecord | undefined> {
    const found = await this.#records.get(PREFIX + id);
    if (found === undefined) return undefined;
    this.#versions.set(id, found.version);
    return parseRecord(found.value);
  }

  /** Newest first. */
  async list(): Promise<SessionRecord[]> {
    const all = await this.#records.list(PREFIX);
    return all.map((r) => parseRecord(r.value)).sort((a, b) => (a.id < b.id ? 1 : -1));
  }

  /** How many resources the restore of that plan made or changed that no undo has taken back. */
  async journalled(id: SessionId): Promise<number> {
    return (await this.#records.list(`restored/${id}/`)).filter(({ value }) => fromUtf8(value) !== "{}").length;
  }

  /** Removes the record and what a restore noted of its targets. What its ledger still names may be in the cloud: that stays. */
  async forget(id: SessionId): Promise<void> {
    for (const { key, version } of await this.#records.list(`restored/${id}/`)) await this.#records.delete(key, version + 1n);
    const found = await this.#records.get(PREFIX + id);
    if (found !== undefined) await this.#records.delete(PREFIX + id, found.version + 1n);
    this.#versions.delete(id);
  }

  /** The newest restore point of the same source. */
  async parentOf(source: SessionSource): Promise<SessionRecord | undefined> {
    const same = (r: SessionRecord) =>
      r.source.input === source.input &&
      (source.input === "tenant"
        ? r.source.cloud === source.cloud && r.source.projectId === source.projectId
        : r.source.name === source.name);
    return (await this.list()).find((r) => isRestorePoint(r) && same(r));
  }

  async writeResults(writer: Writer, results: readonly ResourceResult[]): Promise<Written> {
    async function* lines(): AsyncIterable<Uint8Array> {
      for (const result of results) yield utf8(`${JSON.stringify(result)}\n`);
    }
    return await writer.writeStream(lines(), { chunking: "content" });
  }

  async *results(root: StreamRoot): AsyncIterable<ResourceResult> {
    let rest = "";
    const decoder = new TextDecoder();
    for await (const chunk of this.#repository.reader().readStream(root)) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) yield JSON.parse(line) as ResourceResult;
    }
  }

  /** All results; empty for a session that has not ended. */
  async allResults(record: SessionRecord): Promise<ResourceResult[]> {
    return record.results === undefined ? [] : await Array.fromAsync(this.results(record.results));
  }
}

function parseRecord(value: Uint8Array): SessionRecord {
  const record = JSON.parse(fromUtf8(value)) as SessionRecord;
  if (record.version !== 1) {
    throw new CodedError("FORMAT_UNKNOWN", `Session record version ${String(record.version)} is newer than this program`, {
      hint: "Upgrade Permafrost.",
    });
  }
  return record;
}

/** Finds one session by id, unambiguous prefix or `latest` (the newest restore point). Throws SESSION_UNKNOWN, SESSION_AMBIGUOUS. */
export function resolveSession(records: readonly SessionRecord[], wanted: string): SessionRecord {
  if (wanted === "latest") {
    const latest = records.filter((r) => isRestorePoint(r)).sort((a, b) => (a.id < b.id ? 1 : -1))[0];
    if (latest === undefined)
      throw new CodedError("SESSION_UNKNOWN", "There is no restore point yet", { hint: "Make one with `permafrost backup`." });
    return latest;
  }
  const exact = records.find((r) => r.id === wanted);
  if (exact !== undefined) return exact;
  const matches = wanted === "" ? [] : records.filter((r) => r.id.startsWith(wanted));
  if (matches.length > 1)
    throw new CodedError("SESSION_AMBIGUOUS", `${matches.length} sessions start with ${wanted}`, { facts: { session: wanted } });
  const match = matches[0];
  if (match === undefined) {
    throw new CodedError("SESSION_UNKNOWN", `There is no session ${wanted}`, {
      facts: { session: wanted },
      hint: "`permafrost sessions` lists them.",
    });
  }
  return match;
}
