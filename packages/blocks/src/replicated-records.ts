/**
 * Records over replicas. Each is kept by the R nodes its key belongs to and written to a quorum of them: W, but never less than a majority,
 * so that of two writers of one version at most one succeeds.
 *
 * The newest version that any node has is the record, even if one node alone has it: the others may have lost theirs. A deletion is a version,
 * too, and an acknowledged one is on a quorum, so that a node which missed it meets a newer version than its own. While so many nodes do
 * not answer that they could hold all of a quorum, a list fails, and a record that is found may turn out to be deleted; a committed one never
 * hides. Nodes that a key no longer belongs to are still read, and get its deletion. What a read finds that some replicas miss, or have
 * damaged, it puts to them: `record-repairs.ts`. A version that is damaged wherever it is, is an error: never an absence, nor an older one.
 */

import { blake3 } from "@permafrost/crypto";
import type { RepositoryId } from "@permafrost/model";
import { type Clock, CodedError, compareBytes, toHex, utf8 } from "@permafrost/std";
import type { BlockStore, RecordsRead, Scope, StoredRecord } from "./block-store.ts";
import { checkRecord, checkRecordKey, checkRepositoryId, checkScope } from "./checks.ts";
import { type Answer, type Cluster, isRefusal, nodesUnavailable, quorumLost, type StoreNode } from "./cluster.ts";
import { RecordRepairs, type ReplicaCopy } from "./record-repairs.ts";

/** After a quorum has answered, others get this long to agree or object. */
const STRAGGLER_MS = 100;

export interface RecordQuorum {
  readonly replicas: number;
  readonly writeQuorum: number;
  readonly clock: Clock;
}

interface Heard<T> {
  readonly heard: readonly { readonly node: StoreNode; readonly value: T }[];
  readonly failures: ReadonlyMap<string, CodedError>;
}

export class ReplicatedRecords {
  readonly #cluster: Cluster;
  readonly #clock: Clock;
  readonly #quorum: number;
  readonly #repairs: RecordRepairs;

  constructor(cluster: Cluster, { replicas, writeQuorum, clock }: RecordQuorum) {
    this.#cluster = cluster;
    this.#clock = clock;
    this.#quorum = Math.max(writeQuorum, Math.floor(replicas / 2) + 1);
    this.#repairs = new RecordRepairs(cluster);
  }

  async put(scope: Scope, record: StoredRecord): Promise<void> {
    checkScope(scope);
    checkRecord(record);
    const replicas = this.#replicasOf(scope.repositoryId, record.key);
    const put = (nodes: readonly StoreNode[]) => this.#gather("putRecord", nodes, (store) => store.putRecord(scope, record));
    this.#decide("putRecord", await this.#withStandIns(replicas, await put(replicas), put));
  }

  async delete(scope: Scope, key: string, version: bigint): Promise<void> {
    checkScope(scope);
    checkRecordKey(key);
    const replicas = this.#replicasOf(scope.repositoryId, key);
    const others = this.#cluster.nodes.filter((node) => !replicas.includes(node));
    const remove = (nodes: readonly StoreNode[]) =>
      this.#gather("deleteRecord", nodes, (store) => store.deleteRecord(scope, key, version));
    const [answers] = await Promise.all([
      remove(replicas),
      this.#gather("deleteRecord", others, async (store) => {
        if (await store.getRecord(scope.repositoryId, key)) await store.deleteRecord(scope, key, version);
      }),
    ]);
    this.#decide("deleteRecord", await this.#withStandIns(replicas, answers, remove));
  }

  /**
   * A write that a quorum of the replicas did not take, because some are silent, is taken as well by a majority of all nodes with so many
   * replicas among them that every quorum has one of these: so of two writers of one version still at most one succeeds.
   */
  async #withStandIns(
    replicas: readonly StoreNode[],
    answers: readonly Answer<void>[],
    write: (nodes: readonly StoreNode[]) => Promise<Answer<void>[]>,
  ): Promise<readonly Answer<void>[]> {
    const { values, failures } = split(answers);
    const isRefused = [...failures.values()].some(isRefusal);
    const isMet = values.length + this.#quorum > replicas.length;
    const majority = Math.max(this.#quorum, Math.floor(this.#cluster.nodes.length / 2) + 1);
    if (values.length >= this.#quorum || isRefused || !isMet) return answers;
    const others = this.#cluster.nodes.filter((node) => node.weight > 0 && !replicas.includes(node));
    const all = [...answers, ...(await write(others.slice(0, majority - values.length)))];
    const taken = split(all).values.length;
    // Fewer than the majority count as no more than the replicas alone.
    return taken >= majority || [...split(all).failures.values()].some(isRefusal) ? all : answers;
  }

  async get(
    repositoryId: RepositoryId,
    key: string,
    { withDeleted = false }: RecordsRead = {},
  ): Promise<StoredRecord | undefined> {
    checkRepositoryId(repositoryId);
    checkRecordKey(key);
    const replicas = this.#replicasOf(repositoryId, key);
    const ask = (nodes: readonly StoreNode[]) =>
      this.#gather("getRecord", nodes, (store) => store.getRecord(repositoryId, key, { withDeleted: true }));
    let answers = await ask(replicas);
    // What a quorum has of one version needs no more witnesses: an acknowledged deletion would be among them.
    if (!this.#isAgreed(answers))
      answers = [...answers, ...(await ask(this.#cluster.nodes.filter((node) => !replicas.includes(node))))];
    const { values, failures } = split(answers);
    const refusal = [...failures.values()].find(isRefusal);
    if (refusal) throw refusal;
    const copies = values.filter((record) => record !== undefined);
    const newest = copies.length === 0 ? undefined : newestOf(copies);
    const damaged = answers.flatMap((answer) => ("error" in answer ? damagedCopy(answer, key) : []));
    const lost = damaged.find(({ damagedVersion }) => damagedVersion > (newest?.version ?? 0n));
    if (lost && !this.#isTaken(newest, copies)) throw lost.error;
    if (newest === undefined) {
      if (failures.size >= this.#quorum) throw nodesUnavailable("getRecord", failures);
      return undefined;
    }
    if (failures.size < this.#quorum) {
      const near = answers.filter((answer) => replicas.includes(answer.node));
      const known = near.flatMap((answer) =>
        "error" in answer ? damagedCopy(answer, key) : [{ node: answer.node, record: answer.value }],
      );
      this.#repairs.start(repositoryId, newest, known);
    }
    return newest.deleted && !withDeleted ? undefined : newest;
  }

  async list(repositoryId: RepositoryId, prefix: string, { withDeleted = false }: RecordsRead = {}): Promise<StoredRecord[]> {
    checkRepositoryId(repositoryId);
    const answers = await this.#askAll("listRecords", (store) => store.listRecords(repositoryId, prefix, { withDeleted: true }));
    const { heard, failures } = answers;
    const byKey = new Map<string, Map<StoreNode, StoredRecord>>();
    for (const { node, value } of heard) {
      for (const record of value) {
        const copies = byKey.get(record.key) ?? new Map<StoreNode, StoredRecord>();
        byKey.set(record.key, copies.set(node, record));
      }
    }
    const newest = [...byKey].map(([key, copies]) => {
      const one = newestOf([...copies.values()]);
      this.#repairs.start(repositoryId, one, this.#copiesOf(repositoryId, key, answers, copies));
      return one;
    });
    // A node that has one record damaged lists none: the others must have that one.
    for (const error of failures.values()) {
      const version = error.code === "RECORD_CORRUPT" ? damagedVersionOf(error) : undefined;
      const there = newest.find(({ key }) => isOf(error, key));
      const copies = [...(byKey.get(there?.key ?? "")?.values() ?? [])];
      if (version !== undefined && version > (there?.version ?? 0n) && !this.#isTaken(there, copies)) throw error;
    }
    return newest.filter(({ deleted }) => withDeleted || !deleted).sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  /** Lists all until no replica misses anything that it takes; how many copies that made. */
  async repair(repositoryId: RepositoryId): Promise<number> {
    for (let made = 0; ; ) {
      const before = this.#repairs.done;
      await this.list(repositoryId, "");
      await this.#repairs.settle();
      if (this.#repairs.done === before) return made;
      made += this.#repairs.done - before;
    }
  }

  async listRepositories(): Promise<RepositoryId[]> {
    const { heard } = await this.#askAll("listRepositories", (store) => store.listRepositories());
    return [...new Set(heard.flatMap(({ value }) => value))].sort();
  }

  /** Resolves when no repair runs. */
  settle(): Promise<void> {
    return this.#repairs.settle();
  }

  #copiesOf(
    repositoryId: RepositoryId,
    key: string,
    { heard, failures }: Heard<unknown>,
    copies: ReadonlyMap<StoreNode, StoredRecord>,
  ): ReplicaCopy[] {
    return this.#replicasOf(repositoryId, key).flatMap((node): ReplicaCopy[] => {
      const error = failures.get(node.id);
      if (error) return damagedCopy({ node, error }, key);
      return heard.some((answer) => answer.node === node) ? [{ node, record: copies.get(node) }] : [];
    });
  }

  #replicasOf(repositoryId: RepositoryId, key: string): StoreNode[] {
    return this.#cluster.replicasOf(blake3(utf8(`${repositoryId}/${key}`)));
  }

  /** Answers of all nodes; those that are late after a quorum has answered count as failed. */
  async #gather<T>(
    operation: string,
    nodes: readonly StoreNode[],
    work: (store: BlockStore) => Promise<T>,
  ): Promise<Answer<T>[]> {
    const answers: Answer<T>[] = [];
    const enough = Promise.withResolvers<void>();
    const calls = nodes.map(async (node) => {
      const answer = await this.#cluster.call(node, operation, work);
      answers.push(answer);
      if (answers.filter((one) => !("error" in one)).length >= this.#quorum) enough.resolve();
    });
    const everyone = Promise.all(calls);
    const done = new AbortController();
    const late = enough.promise.then(() => this.#clock.sleep(STRAGGLER_MS, done.signal)).catch(() => undefined);
    await Promise.race([everyone, late]);
    done.abort();
    const heard = [...answers];
    const silent = nodes.filter((node) => !heard.some((answer) => answer.node === node));
    const slow = new CodedError("DEADLINE", `later than the others by more than ${STRAGGLER_MS} ms`, { retry: "later" });
    return [...heard, ...silent.map((node) => ({ node, error: slow }))];
  }

  async #askAll<T>(operation: string, work: (store: BlockStore) => Promise<T>): Promise<Heard<T>> {
    const answers = await Promise.all(this.#cluster.nodes.map((node) => this.#cluster.call(node, operation, work)));
    const { failures } = split(answers);
    if (failures.size >= this.#quorum) throw nodesUnavailable(operation, failures);
    return { heard: answers.flatMap((answer) => ("error" in answer ? [] : answer)), failures };
  }

  /** Throws unless a quorum accepted and nobody heard so far objects. */
  #decide(operation: string, answers: readonly Answer<void>[]): void {
    const { values, failures } = split(answers);
    const refusal = [...failures.values()].find(isRefusal);
    if (refusal) throw refusal;
    if (values.length < this.#quorum) throw quorumLost(operation, this.#quorum, failures);
  }

  /** Whether a quorum has this version: then no later one was acknowledged. */
  #isTaken(record: StoredRecord | undefined, copies: readonly StoredRecord[]): boolean {
    return record !== undefined && copies.filter(({ version }) => version === record.version).length >= this.#quorum;
  }

  /** Whether a quorum answered, and all of it with the same version. */
  #isAgreed(answers: readonly Answer<StoredRecord | undefined>[]): boolean {
    const { values } = split(answers);
    const versions = new Set(values.map((record) => record?.version));
    return values.length >= this.#quorum && versions.size === 1 && values[0] !== undefined;
  }
}

/** The version that a RECORD_CORRUPT names. */
function damagedVersionOf({ facts }: CodedError): bigint | undefined {
  return /^\d{1,20}$/.test(String(facts.version)) ? BigInt(String(facts.version)) : undefined;
}

/** Whether it is of this key: a node that lost the key too names its digest. */
function isOf({ facts }: CodedError, key: string): boolean {
  return facts.record === key || facts.record === toHex(blake3(utf8(key)));
}

/** The copy of `key` on a node that calls it damaged; nothing if its error is another one. */
function damagedCopy({ node, error }: { readonly node: StoreNode; readonly error: CodedError }, key: string) {
  const damagedVersion = error.code === "RECORD_CORRUPT" && isOf(error, key) ? damagedVersionOf(error) : undefined;
  return damagedVersion === undefined ? [] : [{ node, record: undefined, damagedVersion, error }];
}

function split<T>(answers: readonly Answer<T>[]): { values: T[]; failures: Map<string, CodedError> } {
  const values: T[] = [];
  const failures = new Map<string, CodedError>();
  for (const answer of answers) {
    if ("error" in answer) failures.set(answer.node.id, answer.error);
    else values.push(answer.value);
  }
  return { values, failures };
}

/** The highest version; of two bodies under one version the one more nodes have, which alone can have been acknowledged. */
function newestOf(copies: readonly StoredRecord[]): StoredRecord {
  const nodesWith = (record: StoredRecord) =>
    copies.filter(({ version, deleted, body }) => {
      return version === record.version && deleted === record.deleted && compareBytes(body, record.body) === 0;
    }).length;
  return copies.reduce((best, record) => {
    if (record.version !== best.version) return record.version > best.version ? record : best;
    const more = nodesWith(record) - nodesWith(best);
    return more > 0 || (more === 0 && compareBytes(record.body, best.body) > 0) ? record : best;
  });
}
