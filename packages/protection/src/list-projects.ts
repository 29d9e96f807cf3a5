/** The task of a session group that finds the projects to back up, as an administrator sees them. */

import { matchesGlob, type ProjectsResult, type Task } from "@permafrost/model";
import { CodedError } from "@permafrost/std";
import type { TaskEnvironment } from "./task-environment.ts";

export async function listProjects(
  task: Extract<Task, { kind: "projects" }>,
  environment: TaskEnvironment,
): Promise<ProjectsResult> {
  const cloud = await environment.openCloud(task.source);
  const { domain, tags, include, exclude } = task.filter;
  const domains = new Map<string, string>();
  for await (const each of cloud.identity.domains.list()) domains.set(String(each.id), String(each.name));
  const projects: ProjectsResult["projects"][number][] = [];
  for await (const project of cloud.identity.listProjects({ enabled: true })) {
    const domainName = domains.get(project.domainId) ?? project.domainId;
    if (domain !== undefined && domain !== domainName && domain !== project.domainId) continue;
    if (!tags.every((tag) => project.tags.includes(tag))) continue;
    const matches = (pattern: string) => pattern === project.id || matchesGlob(pattern, project.name);
    if (exclude.some(matches) || (include.length > 0 && !include.some(matches))) continue;
    projects.push({ id: project.id, name: project.name, domainName });
  }
  if (projects.length === 0)
    throw new CodedError("NOTHING_SELECTED", "The cloud has no enabled project that the selection names", {
      facts: { cloud: task.source.cloud },
      hint: "`openstack project list --long` shows names, domains and tags.",
    });
  return { projects: projects.sort((a, b) => (a.name < b.name ? -1 : 1)) };
}
