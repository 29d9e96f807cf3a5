/** SessionService: the control API's requests as calls of the coordinator. Decides nothing; what is sent is checked in requests.ts. */

import {
  type Coordinator,
  copyOrigins,
  endedRestore,
  idlePlan,
  restorePlan,
  type SessionView,
  startCopy,
  UNUSED_PERCENT_MAX,
} from "@permafrost/control";
import type { control } from "@permafrost/rpc";
import { type Clock, CodedError } from "@permafrost/std";
import { allProjectsOf, checkRestorePoint, invalid, restoreOptionsOf, selectionOf, tenantOf, verifyLevelOf } from "./requests.ts";
import { wirePlan, wireResource, wireSession, wireView } from "./wire.ts";

/** A watcher hears of changes at most this often. */
const WATCH_MS = 300;
const RESOURCES_PER_MESSAGE = 200;
const PAGE_MAX = 1000;

export function sessionService(coordinator: Coordinator, clock: Clock): control.SessionServiceImplementation {
  const nameOf = async (repositoryId: string): Promise<string> => (await coordinator.repositories.header(repositoryId)).name;
  return {
    async startBackup({ repository, input }) {
      if (input?.$case === "tenant") {
        const record = await coordinator.start(repository, { kind: "backup", input: "tenant", ...tenantOf(input.value) });
        return { sessionId: record.id };
      }
      if (input?.$case === "stream" || input?.$case === "fs") {
        if (input.value.name === "")
          throw invalid(`${input.$case}.name`, "Name the input, so that the next backup of it is compared with this one");
        const uploadAddress = await coordinator.workers.locate();
        const record = await coordinator.start(repository, { kind: "backup", input: input.$case, name: input.value.name });
        return { sessionId: record.id, uploadAddress };
      }
      if (input?.$case === "allProjects") {
        const record = await coordinator.start(repository, { kind: "group", input: "tenant", ...allProjectsOf(input.value) });
        return { sessionId: record.id };
      }
      throw invalid("input", "Say what to back up: tenant, stream, fs or all_projects");
    },

    async startRestore(request) {
      const options = restoreOptionsOf(request);
      const point = await coordinator.find(request.sessionId === "" ? "latest" : request.sessionId, request.repository);
      checkRestorePoint(point);
      if (point.source.input !== "tenant") {
        throw new CodedError(
          "NOT_A_RESTORE_POINT",
          `Session ${point.id} is the backup of a ${point.source.input}, which has no place in a cloud`,
          {
            facts: { session: point.id },
            hint: point.source.input === "stream" ? "Use --to-stdout." : "Use --to-path.",
          },
        );
      }
      const verify = verifyLevelOf(request.verify);
      const record = await coordinator.start(request.repository, {
        kind: "restore",
        pointId: point.id,
        options,
        selection: selectionOf(request.selection),
        dryRun: request.dryRun,
        ...(verify === undefined ? {} : { verify }),
      });
      return { sessionId: record.id };
    },

    async startApply({ planSessionId, verify: level }) {
      const verify = verifyLevelOf(level);
      const { record, saved, plan } = await idlePlan(coordinator, planSessionId);
      const started = await coordinator.start(record.repositoryId, {
        kind: "restore",
        pointId: saved.pointId,
        options: saved.options,
        selection: { include: [], exclude: [] },
        dryRun: false,
        applies: { sessionId: saved.journalId, plan },
        ...(verify === undefined ? {} : { verify }),
      });
      return { sessionId: started.id };
    },

    async startVerify({ sessionId, level }) {
      const { record, plan } = await endedRestore(coordinator, sessionId);
      const request = { kind: "verify" as const, restoreId: record.id, plan, level: verifyLevelOf(level) ?? "metadata" };
      return { sessionId: (await coordinator.start(record.repositoryId, request)).id };
    },

    async startUndo({ sessionId }) {
      const { record, plan } = await endedRestore(coordinator, sessionId);
      return { sessionId: (await coordinator.start(record.repositoryId, { kind: "undo", restoreId: record.id, plan })).id };
    },

    async getPlan({ sessionId }) {
      return wirePlan((await restorePlan(coordinator, sessionId)).saved);
    },

    async listPasswords({ sessionId }) {
      const view = await coordinator.view(sessionId);
      const passwords = view.resources().flatMap(({ name, targetName, targetId, oneTimePassword }) => {
        if (oneTimePassword === undefined) return [];
        return [{ user: targetName ?? name, userId: targetId ?? "", password: oneTimePassword }];
      });
      return { passwords: passwords.sort((a, b) => (a.user < b.user ? -1 : 1)) };
    },

    async startCheck({ repository, sessionIds, readData }) {
      const { repositoryId: id } = await coordinator.repositories.header(repository);
      const points = await coordinator.restorePoints(id);
      const pointIds =
        sessionIds.length === 0
          ? points.map((p) => p.id)
          : await Promise.all(sessionIds.map(async (s) => checkRestorePoint(await coordinator.find(s, id)).id));
      const record = await coordinator.start(id, { kind: "check", pointIds, readData });
      return { sessionId: record.id };
    },

    async startPrune({ repository, graceMs, unusedPercentMax, dryRun }) {
      if (unusedPercentMax > 100) throw invalid("unused_percent_max", "Say how much of 100 may be unused");
      const record = await coordinator.start(repository, {
        kind: "prune",
        graceMs: Number(graceMs),
        unusedPercentMax: unusedPercentMax === 0 ? UNUSED_PERCENT_MAX : unusedPercentMax,
        dryRun,
      });
      return { sessionId: record.id };
    },

    async startRepair({ repository }) {
      return { sessionId: (await coordinator.start(repository, { kind: "repair" })).id };
    },

    async listOrigins({ repository, site, sourceRepository }) {
      const origins = await copyOrigins(coordinator, { repository, site, sourceRepository });
      const name = (await coordinator.sites.header(site, sourceRepository)).name;
      return { origins: origins.map(({ record, copy }) => ({ session: wireSession(record, name), copyId: copy?.id ?? "" })) };
    },

    async startCopy({ repository, site, sourceRepository, sessionId }) {
      return { sessionId: (await startCopy(coordinator, { repository, site, sourceRepository }, sessionId)).id };
    },

    async listSessions({ repository, pageSize, pageToken }) {
      const size = Math.min(pageSize === 0 ? 100 : pageSize, PAGE_MAX);
      const all = (await coordinator.list(repository)).filter((r) => pageToken === "" || r.id < pageToken);
      const page = all.slice(0, size);
      const names = new Map((await coordinator.repositories.headers()).map((h) => [h.repositoryId, h.name]));
      return {
        sessions: page.map((r) => wireSession(r, names.get(r.repositoryId) ?? "")),
        nextPageToken: all.length > size ? (page.at(-1)?.id ?? "") : "",
      };
    },

    async getSession({ sessionId }) {
      const view = await coordinator.view(sessionId);
      return { session: wireView(view, await nameOf(view.record.repositoryId)) };
    },

    async *listResources({ sessionId }) {
      const view = await coordinator.view(sessionId);
      const all = view.resources().sort((a, b) => (a.type === b.type ? (a.name < b.name ? -1 : 1) : a.type < b.type ? -1 : 1));
      for (let i = 0; i < all.length; i += RESOURCES_PER_MESSAGE)
        yield { resources: all.slice(i, i + RESOURCES_PER_MESSAGE).map(wireResource) };
    },

    async *watchSession({ sessionId }, { signal }) {
      const { id, repositoryId } = await coordinator.find(sessionId);
      const name = await nameOf(repositoryId);
      const seen = new Map<string, string>();
      let last = "";
      while (!signal.aborted) {
        // The view is looked up each time: it changes hands when the session starts, ends, or another coordinator leads.
        const view: SessionView = await coordinator.view(id);
        const session = wireView(view, name);
        const changed = view.resources().filter((r) => {
          const text = JSON.stringify(r);
          const key = `${r.type}/${r.id}`;
          if (seen.get(key) === text) return false;
          seen.set(key, text);
          return true;
        });
        const text = JSON.stringify([view.record, view.bytes()]);
        if (changed.length > 0 || text !== last) yield { session, resources: changed.map(wireResource) };
        last = text;
        if (view.record.state !== "running") return;
        await clock.sleep(WATCH_MS, signal).catch(() => undefined);
      }
    },

    async cancelSession({ sessionId }) {
      const record = await coordinator.cancel(sessionId);
      return { session: wireSession(record, await nameOf(record.repositoryId)) };
    },

    async lockSession({ sessionId, until, hold }) {
      if (until === undefined && hold === "") throw invalid("until", "Say until when, or whether it is held");
      if (!["", "on", "off"].includes(hold)) throw invalid("hold", "It is on, off or empty");
      const record = await coordinator.lock(sessionId, {
        ...(until === undefined ? {} : { until: until.toISOString() }),
        ...(hold === "" ? {} : { isHeld: hold === "on" }),
      });
      return { session: wireSession(record, await nameOf(record.repositoryId)) };
    },

    async locateWorker() {
      return { address: await coordinator.workers.locate() };
    },

    async forgetSession({ sessionIds, dryRun, force }) {
      if (sessionIds.length === 0) throw invalid("session_ids", "Say which sessions to forget");
      const gone = await coordinator.forget(sessionIds, { dryRun, isForced: force });
      const names = new Map((await coordinator.repositories.headers()).map((h) => [h.repositoryId, h.name]));
      return { sessions: gone.map((r) => wireSession(r, names.get(r.repositoryId) ?? "")) };
    },
  };
}
