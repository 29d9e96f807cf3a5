/**
 * Follows a session to its end: progress, Ctrl-C, and a coordinator that goes away and comes back. The session runs
 * in the cluster, so losing the connection loses nothing: the watch is taken up again.
 */

import { type Clock, CodedError, retry } from "@permafrost/std";
import type { Cluster, Resource, Session } from "./api.ts";
import { ProgressDisplay } from "./progress/display.ts";
import type { Run } from "./run-context.ts";

/** How long the coordinator may be away before the CLI gives up watching. */
const AWAY_MS_MAX = 120_000;
const RETRY_MS = 1_000;
const CANCEL_ATTEMPTS_MAX = 12;

export interface Followed {
  readonly session: Session;
  readonly resources: readonly Resource[];
}

/**
 * Watches session `sessionId` until it ends. `onCancel` is called once when the first Ctrl-C asks for the cancel.
 * Throws what the coordinator answers, COORDINATOR_LOST when it stays away.
 */
export async function followSession(
  run: Run,
  cluster: Cluster,
  sessionId: string,
  onCancel: () => void = () => {},
): Promise<Followed> {
  const { context, settings } = run;
  const display = new ProgressDisplay(context.stderr, context.clock, settings.quiet);
  const cancel = () => {
    onCancel();
    // The watch goes on and sees the cancelled session end; a cancel that fails is said, and the user may leave.
    void display
      .note("Cancelling; waiting until temporary objects are removed. Ctrl-C again leaves at once.")
      .then(() => cancelSession(cluster, sessionId, context.clock))
      .catch((error) => display.note(`Cancelling failed: ${CodedError.from(error).message}`));
  };
  run.interrupts.handle(cancel);
  try {
    if (run.interrupts.happened) cancel();
    if (settings.verbose) await display.note(`Session ${sessionId}`);
    await watch(cluster, sessionId, display, context.clock);
    return { session: await getSession(cluster, sessionId), resources: await listResources(cluster, sessionId) };
  } finally {
    await display.stop();
  }
}

async function watch(cluster: Cluster, sessionId: string, display: ProgressDisplay, clock: Clock): Promise<void> {
  let awaySinceMs: number | undefined;
  for (;;) {
    try {
      for await (const change of cluster.sessions.watchSession({ sessionId })) {
        if (awaySinceMs !== undefined) await display.note("The coordinator is back.");
        awaySinceMs = undefined;
        display.update(change.session, change.resources);
        if (change.session !== undefined && change.session.state !== "running") return;
      }
      // The stream ended though the session did not: the coordinator is stopping.
    } catch (error) {
      if (!CodedError.is(error) || error.retry !== "later") throw error;
      if (awaySinceMs === undefined) await display.note(`${error.message}; the session goes on, trying again.`);
      awaySinceMs ??= clock.monotonic();
      if (clock.monotonic() - awaySinceMs > AWAY_MS_MAX) {
        throw new CodedError("COORDINATOR_LOST", "The coordinator does not come back", {
          hint: `The session goes on in the cluster: \`permafrost session show ${sessionId}\` tells how it ended.`,
          cause: error,
        });
      }
    }
    await clock.sleep(RETRY_MS);
  }
}

/** Asks for the cancel until it is heard: what broke the session's work often breaks the first call too. Throws the last error. */
export async function cancelSession(cluster: Cluster, sessionId: string, clock: Clock): Promise<void> {
  await retry(() => cluster.sessions.cancelSession({ sessionId }), {
    attemptsMax: CANCEL_ATTEMPTS_MAX,
    delayMs: RETRY_MS,
    delayMsMax: 8_000,
    clock,
  });
}

/** A session as it is now. */
export async function getSession(cluster: Cluster, sessionId: string): Promise<Session> {
  const { session } = await cluster.sessions.getSession({ sessionId });
  if (session === undefined) throw new CodedError("PROTOCOL", "The coordinator answered without a session");
  return session;
}

/** All resources of a session. */
export async function listResources(cluster: Cluster, sessionId: string): Promise<Resource[]> {
  const resources: Resource[] = [];
  for await (const page of cluster.sessions.listResources({ sessionId })) resources.push(...page.resources);
  return resources;
}
