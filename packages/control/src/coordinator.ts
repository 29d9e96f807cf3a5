/**
 * The coordinator: takes requests, and, when it holds the lease, runs sessions.
 *
 * A request becomes a sealed spec in the repository, a record, and a row in the `sessions` table; whoever leads finds the row and
 * runs it. A leader that dies is followed by another that runs the same rows again: tasks already done are not repeated.
 * A session whose row was lost with the bus is ended as `failed` and its temporary objects are swept. The coordinator
 * keeps nothing that cannot be rebuilt.
 */

import type { BlockStore } from "@permafrost/blocks";
import type { Bus, Lease, Table } from "@permafrost/jobs";
import {
  checkSelection,
  isRestorePoint,
  type SessionId,
  type SessionLock,
  type SessionRecord,
  type StreamRoot,
} from "@permafrost/model";
import { type Clock, CodedError, fromUtf8, isoTime, type Json, type Random, randomId, utf8 } from "@permafrost/std";
import { runInputBackup, runTenantBackup } from "./backup.ts";
import { runCheck } from "./check.ts";
import { runCopy } from "./copy.ts";
import { type GroupSessions, runGroup } from "./group.ts";
import { checkForgettable, withLock } from "./keeping.ts";
import { endLostSessions } from "./lost-sessions.ts";
import { Policies } from "./policies.ts";
import { checkNoPruneRuns, runPrune } from "./prune.ts";
import { runRepair } from "./repair.ts";
import { Repositories } from "./repositories.ts";
import { runRestore } from "./restore.ts";
import { runVerify } from "./restore-verify.ts";
import { firstRecord, type RunContext } from "./run-context.ts";
import { runPolicies } from "./scheduler.ts";
import { newSessionId, type SessionSpec, sourceOf } from "./session-spec.ts";
import { resolveSession, SessionStore } from "./session-store.ts";
import { SessionView } from "./session-view.ts";
import { Sites } from "./sites.ts";
import { TaskBoard } from "./task-board.ts";
import { toFailure } from "./task-entry.ts";
import { runUndo } from "./undo.ts";
import { WorkerTable } from "./worker-table.ts";

const LEASE_TTL_MS = 10_000;
/** Before a session that stopped short is run again. */
const RERUN_MS = 10_000;

export interface CoordinatorOptions {
  readonly name: string;
  readonly bus: Bus;
  readonly store: BlockStore;
  readonly keyring: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly sites?: Sites;
  readonly onEvent?: (event: { readonly message: string; readonly sessionId?: string; readonly code?: string }) => void;
}

interface SessionRow {
  readonly repositoryId: string;
  readonly spec: StreamRoot;
  readonly cancel: boolean;
}

type SpecInput<S extends SessionSpec = SessionSpec> = S extends SessionSpec
  ? Omit<S, "sessionId" | "repositoryId" | "startedAt">
  : never;

export class Coordinator {
  readonly repositories: Repositories;
  readonly workers: WorkerTable;
  readonly policies: Policies;
  /** Other clusters that restore points are copied from. */
  readonly sites: Sites;
  readonly #options: CoordinatorOptions;
  readonly #board: TaskBoard;
  readonly #sessions: Table;
  /** This process, and no earlier one of its name: the task that its calls to storage nodes are made for. */
  readonly #holder: string;
  readonly #running = new Map<
    SessionId,
    { readonly view: SessionView; readonly cancel: AbortController; readonly ended: Promise<void> }
  >();

  private constructor(options: CoordinatorOptions, board: TaskBoard, sessions: Table, workers: WorkerTable) {
    this.#options = options;
    this.#holder = `${options.name}-${randomId(options.random).slice(0, 8)}`;
    this.#board = board;
    this.#sessions = sessions;
    this.workers = workers;
    this.repositories = new Repositories(options.store, options.keyring);
    this.sites = options.sites ?? new Sites({});
    this.policies = new Policies({ repositories: this.repositories, holder: this.#holder, clock: options.clock });
  }

  static async open(options: CoordinatorOptions): Promise<Coordinator> {
    const { bus, clock } = options;
    return new Coordinator(
      options,
      await TaskBoard.open(bus, clock),
      await bus.table("sessions"),
      await WorkerTable.open(bus, clock),
    );
  }

  /** Starts a session and returns its record; a leader runs it. */
  async start(repositoryNameOrId: string, input: SpecInput): Promise<SessionRecord> {
    if ("selection" in input) checkSelection(input.selection);
    const { clock, random } = this.#options;
    const header = await this.repositories.header(repositoryNameOrId);
    const repository = await this.repositories.open(header.repositoryId);
    const startedAt = clock.now();
    const spec = {
      ...input,
      sessionId: newSessionId(startedAt, random),
      repositoryId: repository.id,
      startedAt: isoTime(startedAt),
    } as SessionSpec;
    const writer = repository.writer(scopeOf(spec.sessionId, repository.id, this.#holder));
    const { root } = await writer.writeDocument(spec as unknown as Json);
    await writer.finish();
    const store = new SessionStore(repository, this.#holder);
    if (spec.kind === "prune") await checkNoPruneRuns(store);
    const record = { ...firstRecord(spec, sourceOf(spec)), spec: root };
    await store.save(record);
    try {
      await this.#sessions.create(spec.sessionId, encodeRow({ repositoryId: repository.id, spec: root, cancel: false }));
    } catch (error) {
      // Without a row nobody runs it: it must not look as if it ran. Should the row be there after all, its leader sees that it has ended.
      const ended = {
        state: "failed" as const,
        phase: "ended" as const,
        endedAt: isoTime(clock.now()),
        failure: toFailure(error),
      };
      await store.save({ ...record, ...ended }).catch(() => undefined);
      throw error;
    }
    return record;
  }

  /** Records of one repository, or of all that are unlocked; newest first; a running session's live record in its stored one's place. */
  async list(repositoryNameOrId?: string): Promise<SessionRecord[]> {
    const repositories =
      repositoryNameOrId === undefined || repositoryNameOrId === ""
        ? await this.repositories.unlocked()
        : [await this.repositories.open((await this.repositories.header(repositoryNameOrId)).repositoryId)];
    const records = (await Promise.all(repositories.map((r) => new SessionStore(r).list()))).flat();
    return records.map((r) => this.#liveView(r.id)?.record ?? r).sort((a, b) => (a.id < b.id ? 1 : -1));
  }

  /** By id, unambiguous prefix or `latest`. */
  async find(session: string, repositoryNameOrId?: string): Promise<SessionRecord> {
    return resolveSession(await this.list(repositoryNameOrId), session);
  }

  /** The live view of a session that runs here, else one made of its stored record and results. */
  async view(session: string): Promise<SessionView> {
    const known = this.#liveView(session);
    if (known !== undefined) return known;
    const record = await this.find(session);
    const live = this.#liveView(record.id);
    if (live !== undefined) return live;
    const view = new SessionView(record);
    const store = new SessionStore(await this.repositories.open(record.repositoryId), this.#holder);
    for (const result of await store.allResults(record))
      view.setResource(result, { total: result.stats.logicalBytes, done: result.stats.logicalBytes });
    return view;
  }

  /** Asks for cancellation; the session ends as `cancelled` after its clean-up. A session that has ended stays as it is. */
  async cancel(session: string): Promise<SessionRecord> {
    const record = await this.find(session);
    const row = await this.#sessions.get(record.id);
    if (row === undefined || decodeRow(row.value).cancel) return record;
    try {
      await this.#sessions.update(record.id, encodeRow({ ...decodeRow(row.value), cancel: true }), row.revision);
    } catch (error) {
      // A row changes only by being cancelled, and goes when the session ends: either way there is nothing left to ask for.
      if (!CodedError.is(error, "REVISION_CONFLICT")) throw error;
    }
    return record;
  }

  /** Removes ended sessions' records, all or none. Throws SESSION_RUNNING, SESSION_LOCKED, and RESTORE_NOT_UNDONE unless `isForced`. */
  async forget(
    sessions: readonly string[],
    { dryRun = false, isForced = false }: { readonly dryRun?: boolean; readonly isForced?: boolean } = {},
  ): Promise<SessionRecord[]> {
    const all = await this.list();
    const records = sessions.map((s) => resolveSession(all, s));
    await checkForgettable(records, (record) => this.#storeOf(record), this.#options.clock.now(), isForced);
    if (!dryRun) for (const r of records) await (await this.#storeOf(r)).forget(r.id);
    return records;
  }

  /** Keeps a restore point from being forgotten. Throws NOT_A_RESTORE_POINT, LOCK_TOO_EARLY, RECORD_CONFLICT. */
  async lock(session: string, change: SessionLock): Promise<SessionRecord> {
    const found = await this.find(session);
    const store = await this.#storeOf(found);
    // Written on the version that is read here: of two who lock at once one is told, and neither lock is lost.
    const locked = withLock((await store.get(found.id)) ?? found, change, this.#options.clock.now());
    await store.save(locked);
    return locked;
  }

  /** Restore points of a repository. */
  async restorePoints(repositoryId: string): Promise<SessionRecord[]> {
    return (await new SessionStore(await this.repositories.open(repositoryId), this.#holder).list()).filter(isRestorePoint);
  }

  /** Competes for the lease and, holding it, runs sessions, until the signal aborts. Running sessions are then left for the next leader. */
  async run(signal: AbortSignal): Promise<void> {
    const { bus, name, clock } = this.#options;
    while (!signal.aborted) {
      try {
        const lease = await bus.lease("coordinator", name, LEASE_TTL_MS);
        if (lease !== undefined) await this.#lead(lease, signal);
      } catch (error) {
        if (!signal.aborted)
          this.#event(`Leading failed: ${CodedError.from(error).message}`, undefined, CodedError.from(error).code);
      }
      await clock.sleep(1_000, signal).catch(() => undefined);
    }
  }

  async #lead(lease: Lease, signal: AbortSignal): Promise<void> {
    this.#event("Leading");
    const lost = new AbortController();
    const both = AbortSignal.any([signal, lost.signal]);
    const renewing = (async () => {
      const { clock } = this.#options;
      let renewedAt = clock.monotonic();
      while (!both.aborted) {
        await clock.sleep(LEASE_TTL_MS / 4, both).catch(() => undefined);
        if (both.aborted) return;
        // No answer is no answer: the lease is ours until its time is over. Another holder is an answer.
        const kept = await lease.renew().catch(() => undefined);
        if (kept === true) renewedAt = clock.monotonic();
        else if (kept === false || clock.monotonic() - renewedAt > LEASE_TTL_MS)
          lost.abort(new CodedError("LEASE_LOST", "Another coordinator may lead"));
      }
    })();
    let scheduling: Promise<void> | undefined;
    try {
      await endLostSessions({
        repositories: await this.repositories.unlocked(),
        holder: this.#holder,
        board: this.#board,
        clock: this.#options.clock,
        hasRow: async (id) => (await this.#sessions.get(id)) !== undefined,
        onEvent: (message, id, code) => this.#event(message, id, code),
      });
      scheduling = runPolicies(
        {
          holder: this.#holder,
          clock: this.#options.clock,
          repositories: () => this.repositories.unlocked(),
          start: (repositoryId, input) => this.start(repositoryId, input),
          forget: (sessions) => this.forget(sessions),
          onEvent: (message, id, code) => this.#event(message, id, code),
        },
        both,
      );
      for await (const change of this.#sessions.watch("", both)) {
        if (change.value === undefined) continue;
        const row = decodeRow(change.value);
        const running = this.#running.get(change.key);
        if (running === undefined) this.#take(change.key, row, both);
        else if (row.cancel) running.cancel.abort(new CodedError("CANCELLED", "The session was cancelled"));
      }
    } finally {
      lost.abort();
      await renewing;
      await scheduling;
      await Promise.allSettled([...this.#running.values()].map((r) => r.ended));
      await lease.release().catch(() => undefined);
      this.#event("No longer leading");
    }
  }

  /** Of a session that runs here; undefined also while its record is being read. */
  #liveView(sessionId: SessionId): SessionView | undefined {
    const view = this.#running.get(sessionId)?.view;
    return view === undefined || view.record.startedAt === "" ? undefined : view;
  }

  #take(sessionId: SessionId, row: SessionRow, signal: AbortSignal): void {
    const cancel = new AbortController();
    if (row.cancel) cancel.abort(new CodedError("CANCELLED", "The session was cancelled"));
    const view = new SessionView({
      ...firstRecord({ sessionId, repositoryId: row.repositoryId, startedAt: "" } as SessionSpec, { input: "tenant" }),
    });
    const ended = this.#runToItsEnd(sessionId, row, view, cancel.signal, signal);
    this.#running.set(sessionId, { view, cancel, ended: ended.then(() => void this.#running.delete(sessionId)) });
  }

  /** A session stops short of its end when its record cannot be read or written; like after a death, it is then run again. Never rejects. */
  async #runToItsEnd(
    sessionId: SessionId,
    row: SessionRow,
    view: SessionView,
    cancel: AbortSignal,
    signal: AbortSignal,
  ): Promise<void> {
    while (!signal.aborted) {
      try {
        return await this.#runSession(sessionId, row, view, cancel, signal);
      } catch (error) {
        const { message, code } = CodedError.from(error);
        this.#event(`Session stopped: ${message}`, sessionId, code);
        await this.#options.clock.sleep(RERUN_MS, signal).catch(() => undefined);
      }
    }
  }

  async #runSession(
    sessionId: SessionId,
    row: SessionRow,
    view: SessionView,
    cancel: AbortSignal,
    signal: AbortSignal,
  ): Promise<void> {
    const repository = await this.repositories.open(row.repositoryId);
    const spec = (await repository.reader().readDocument(row.spec)) as unknown as SessionSpec;
    const store = new SessionStore(repository, this.#holder);
    const stored = await store.get(sessionId);
    if (stored !== undefined && stored.state !== "running") return await this.#close(sessionId);
    view.update(stored ?? { ...firstRecord(spec, sourceOf(spec)), spec: row.spec });
    const newWriter = () => repository.writer(scopeOf(sessionId, repository.id, this.#holder));
    const context: RunContext = {
      repository,
      store,
      newWriter,
      board: this.#board,
      view,
      clock: this.#options.clock,
      signal: AbortSignal.any([cancel, signal]),
      stopped: signal,
    };
    this.#event(`Session ${spec.kind} runs`, sessionId);
    if (spec.kind === "restore") await runRestore(context, spec);
    else if (spec.kind === "verify") await runVerify(context, spec);
    else if (spec.kind === "undo") await runUndo(context, spec);
    else if (spec.kind === "check") await runCheck(context, spec);
    else if (spec.kind === "prune") await runPrune(context, spec, () => this.#options.store.pruning());
    else if (spec.kind === "repair") await runRepair(context, this.#options.store);
    else if (spec.kind === "group") await runGroup(context, spec, this.#groupSessions(spec.repositoryId));
    else if (spec.input === "copy") await runCopy(context, spec, this.sites);
    else if (spec.input === "tenant") await runTenantBackup(context, spec);
    else await runInputBackup(context, spec);
    await this.#close(sessionId);
    this.#event(`Session ${view.record.state}`, sessionId, view.record.failure?.code);
  }

  async #storeOf({ repositoryId }: SessionRecord): Promise<SessionStore> {
    return new SessionStore(await this.repositories.open(repositoryId), this.#holder);
  }

  /** A group's sessions are in its own repository. */
  #groupSessions(repositoryId: string): GroupSessions {
    const stored = async () => new SessionStore(await this.repositories.open(repositoryId), this.#holder);
    return {
      start: (input) => this.start(repositoryId, input),
      of: async (groupId) => (await (await stored()).list()).filter((r) => r.groupId === groupId),
      get: async (sessionId) => this.#liveView(sessionId)?.record ?? (await (await stored()).get(sessionId)),
      cancel: async (sessionId) => void (await this.cancel(sessionId)),
    };
  }

  async #close(sessionId: SessionId): Promise<void> {
    await this.#sessions.delete(sessionId);
    await this.#board.clear(sessionId);
  }

  #event(message: string, sessionId?: string, code?: string): void {
    this.#options.onEvent?.({
      message,
      ...(sessionId === undefined ? {} : { sessionId }),
      ...(code === undefined ? {} : { code }),
    });
  }
}

function scopeOf(sessionId: SessionId, repositoryId: string, holder: string) {
  return { repositoryId, sessionId, taskId: holder, fence: 0n };
}

function encodeRow(row: SessionRow): Uint8Array {
  return utf8(JSON.stringify(row));
}

function decodeRow(bytes: Uint8Array): SessionRow {
  return JSON.parse(fromUtf8(bytes)) as SessionRow;
}
