/**
 * The one-time passwords of users that a restore made. They go to a new file of mode 0600 and nowhere else: not to standard output,
 * not to a log. Whoever lost the file, or was away when the restore ended, asks again with `restore show --users-report`.
 */

import { resolve } from "node:path";
import { CodedError, retry } from "@permafrost/std";
import type { Cluster } from "./api.ts";
import { checkNewFile, writeNewFile } from "./new-file.ts";
import type { Run } from "./run-context.ts";

const OPTION = "--users-report";

export interface UsersReport {
  readonly file: string;
  readonly users: number;
}

/** Before anything is started: USAGE when the named file cannot be made. */
export async function checkUsersReport(run: Run, file: string | undefined): Promise<void> {
  if (file !== undefined) await checkNewFile(OPTION, resolve(run.context.cwd, file));
}

/** Writes the passwords of restore `sessionId`, if it made users. Throws what the coordinator answers, and FILE_UNWRITABLE. */
export async function writeUsersReport(
  run: Run,
  cluster: Cluster,
  sessionId: string,
  named: string | undefined,
): Promise<UsersReport | undefined> {
  const call = () => cluster.sessions.listPasswords({ sessionId });
  const { passwords } = await retry(call, { attemptsMax: 5, delayMs: 500, delayMsMax: 4_000, clock: run.context.clock });
  if (passwords.length === 0) return undefined;
  const file = resolve(run.context.cwd, named ?? `permafrost-users-${sessionId}.json`);
  const users = passwords.map(({ user, userId, password }) => ({ user, user_id: userId, password }));
  try {
    await writeNewFile(file, `${JSON.stringify({ session_id: sessionId, users }, null, 2)}\n`, 0o600);
  } catch (error) {
    const { code, message, facts } = CodedError.from(error);
    throw new CodedError(code, `The users' passwords: ${message}`, {
      facts,
      cause: error,
      hint: `\`permafrost restore show ${sessionId} ${OPTION} FILE\` writes them.`,
    });
  }
  return { file, users: users.length };
}

/** Where the passwords are. */
export function usersReportNote({ file, users }: UsersReport): string {
  return `${users} user${users === 1 ? " was" : "s were"} made, disabled; the one-time passwords are in ${file}.`;
}
