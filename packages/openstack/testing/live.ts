/**
 * Every call of this package against a real cloud, run by hand:
 *
 *   OS_CLIENT_CONFIG_FILE=…/clouds.yaml node packages/openstack/testing/live.ts lab-admin
 *
 * Needs an administrator. Makes a project `os-client-test` and objects named `os-client-…` in it, and removes them. Prints one line
 * per check; the exit status is the number of checks that failed.
 */

import { CodedError } from "@permafrost/std";
import { loadCloud, openCloud } from "../src/index.ts";
import { failureCount, parts } from "./live-checks.ts";
import { identityChecks } from "./live-identity.ts";
import { imageChecks } from "./live-image.ts";
import { objectChecks } from "./live-object.ts";
import { volumeChecks } from "./live-volume.ts";

const PROJECT = "os-client-test";
const { env } = process;
const name = process.argv[2] ?? "lab-admin";
const only = process.argv[3];
const config = await loadCloud(name, { env });
const admin = await openCloud(config, parts);
const me = await admin.identity.whoAmI();
const project =
  (await Array.fromAsync(admin.identity.listProjects({ name: PROJECT })))[0] ??
  (await admin.identity.createProject({ name: PROJECT, domainId: me.project?.domain.id ?? "default" }));
const role = await admin.identity.findRole("admin");
if (role === undefined) throw new CodedError("ASSERTION", "there is no role admin");
await admin.identity.grantProjectRole(project.id, me.user.id, role.id);
const cloud = await openCloud(config, { ...parts, project: PROJECT });
try {
  if (only === undefined || only === "identity") await identityChecks(admin, config);
  if (only === undefined || only === "image") await imageChecks(cloud);
  if (only === undefined || only === "volume") await volumeChecks(cloud);
  if (only === undefined || only === "object") await objectChecks(cloud);
} finally {
  await cloud.close();
  await admin.identity.revokeProjectRole(project.id, me.user.id, role.id);
  await admin.identity.deleteProject(project.id);
  await admin.close();
}
process.exitCode = failureCount();
