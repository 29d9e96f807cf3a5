/** One task, whatever its kind, from what it says to its result. Dispatch only: the work is in the file of each kind. */

import type { Task, TaskResults } from "@permafrost/model";
import { CodedError } from "@permafrost/std";
import { runBackupTask } from "./backup-tasks.ts";
import { checkResource } from "./check-resource.ts";
import { listProjects } from "./list-projects.ts";
import { runRestoreTask } from "./restore-tasks.ts";
import type { TaskEnvironment } from "./task-environment.ts";

export async function runTask(task: Task, environment: TaskEnvironment): Promise<TaskResults[Task["kind"]]> {
  switch (task.kind) {
    case "discover":
    case "freeze":
    case "capture":
    case "sweep":
      return await runBackupTask(task, environment);
    case "plan":
    case "apply":
    case "verify":
    case "undo":
      return await runRestoreTask(task, environment);
    case "projects":
      return await listProjects(task, environment);
    case "check":
      return await checkResource(task, environment);
    case "upload":
      throw new CodedError("ASSERTION", "An upload is run by the connection that carries it, not from the queue");
  }
}
