/**
 * A plan as the user reads it: what is done to each resource and why, warnings, what it takes from the target, problems. All of it is the
 * result, so all of it goes to standard output in a table and in json and yaml; csv and value hold the resources, the rest is said.
 */

import type { GetPlanResponse, PlanReference, Session } from "./api.ts";
import { EXIT, type ExitCode } from "./exit-codes.ts";
import type { Followed } from "./follow.ts";
import { countText, resourceText, saySessionProblems, sectionText } from "./outcome.ts";
import { listValue, printable, renderList } from "./output/render.ts";
import {
  failureText,
  failureValue,
  REFERENCE_COLUMNS,
  RESOURCE_COLUMNS,
  SESSION_COLUMNS,
  tableColumnsOf,
} from "./output/rows.ts";
import type { Run } from "./run-context.ts";

const ACTIONS = ["create", "update", "reuse", "skip", "conflict"];

/**
 * Whether applying it can be expected to restore every resource. What is missing in the target and cannot be done without is the conflict of
 * whatever needs it; the rest, such as a project in an access list, is told and left out.
 */
export function isReady({ session, resources }: Followed, plan: GetPlanResponse): boolean {
  return (
    session.state !== "failed" &&
    resources.every(({ action, state }) => action !== "conflict" && state !== "failed") &&
    plan.problems.length === 0
  );
}

export async function printPlan(run: Run, followed: Followed, plan: GetPlanResponse): Promise<void> {
  const { session, resources } = followed;
  const { format, columns } = run.settings.render;
  const warnings = resources.flatMap((one) => one.warnings.map((text) => `${resourceText(one)}: ${printable(text)}`));
  const problems = plan.problems.map((problem) => printable(failureText(problem)));
  const tableColumns = session.dryRun ? tableColumnsOf(session, resources) : ["Type", "Name", "Action", "State", "Reason"];
  if ((format === "json" || format === "yaml") && columns.length === 0) {
    return run.printRecord(session, SESSION_COLUMNS, {
      ready: isReady(followed, plan),
      resource_list: listValue(resources, RESOURCE_COLUMNS),
      reference_list: listValue(plan.references, REFERENCE_COLUMNS),
      problem_list: plan.problems.map(failureValue),
    });
  }
  await run.printList(resources, RESOURCE_COLUMNS, tableColumns);
  if (format !== "table") {
    for (const warning of [...session.warnings.map(printable), ...warnings]) await run.note(`Warning: ${warning}`);
    for (const { kind, name, id } of plan.references.filter(isMissing))
      await run.warn(`Missing: ${kind} ${printable(name || id)}`);
    for (const problem of problems) await run.warn(`Problem: ${problem}`);
    return;
  }
  const { colour } = run.settings.render;
  const references = renderList(plan.references, REFERENCE_COLUMNS, { format, columns: [], colour });
  const sections = [
    sectionText("Warnings", warnings),
    plan.references.length === 0 ? "" : `\nTaken from the target:\n${references}`,
    sectionText("Problems", problems),
  ].join("");
  await run.context.stdout.write(`${sections}${sections === "" ? "" : "\n"}${planLine(followed, plan)}\n`);
  await saySessionProblems(run, session);
}

/** `plan ID for cloud/project: 7 resources (5 create, 2 reuse), 3 references (1 missing), 1 problem`. */
function planLine({ session, resources }: Followed, plan: GetPlanResponse): string {
  const counts = ACTIONS.map((action) => [resources.filter((one) => one.action === action).length, action] as const);
  const failed = resources.filter((one) => one.action === "" && one.state === "failed").length;
  const actions = [...counts, [failed, "failed"] as const].filter(([count]) => count > 0).map((pair) => pair.join(" "));
  const missing = plan.references.filter(isMissing).length;
  const parts = [
    `${countText(resources.length, "resource")}${actions.length === 0 ? "" : ` (${actions.join(", ")})`}`,
    ...(plan.references.length === 0
      ? []
      : [`${countText(plan.references.length, "reference")}${missing === 0 ? "" : ` (${missing} missing)`}`]),
    ...(plan.problems.length === 0 ? [] : [countText(plan.problems.length, "problem")]),
  ];
  return `plan ${session.id} for ${targetText(session, plan)}: ${parts.join(", ")}`;
}

/** `cloud/project`. */
export function targetText(session: Session, plan: GetPlanResponse): string {
  return printable([session.cloud, plan.projectName || plan.projectId].filter((part) => part !== "").join("/"));
}

function isMissing(reference: PlanReference): boolean {
  return reference.how === "missing";
}

/** What a plan that was just made says at its end. */
export async function endWithPlan(run: Run, followed: Followed, plan: GetPlanResponse): Promise<ExitCode> {
  const { id } = followed.session;
  if (isReady(followed, plan)) {
    await run.note(`Nothing was changed. Apply it: \`permafrost restore apply ${id}\``);
    return EXIT.ok;
  }
  await run.note(
    `Nothing was changed. Not all of it can be restored; what can is by \`permafrost restore apply ${id}\`. Maps, --on-conflict and a selection make another plan.`,
  );
  return run.end(EXIT.partial, `plan ${id} cannot be applied whole`);
}
