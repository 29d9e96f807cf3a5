/** `permafrost policy set|list|show|pause|resume|delete`: what is backed up when, and how long it is kept. */

import type { Command } from "commander";
import type { Policy } from "../api.ts";
import { EXIT } from "../exit-codes.ts";
import { usageError } from "../failure.ts";
import { withConnection, withOutput, withRepository, withSelection } from "../options.ts";
import { POLICY_COLUMNS } from "../output/policy-rows.ts";
import type { Run } from "../run-context.ts";
import { allProjectsOf, checkGroupFlags, type GroupFlags, withGroup } from "./backup-group.ts";
import { tenantOf, withSource } from "./backup-source.ts";
import type { Bind } from "./command.ts";
import { type KeepFlags, policyOf, withKeep } from "./keep-flags.ts";
import { GRACE_MS, type PruneFlags, withGrace } from "./prune.ts";

interface Flags extends GroupFlags, KeepFlags, Pick<PruneFlags, "grace"> {
  readonly repository?: string;
  readonly schedule?: string;
  readonly timezone?: string;
  readonly prune?: boolean;
}

const NO_RULES = { last: 0, hourly: 0, daily: 0, weekly: 0, monthly: 0, yearly: 0 };

export function addPolicyCommands(program: Command, bind: Bind): void {
  const policy = program.command("policy").description("back up on a schedule, and keep what a policy says");
  addSet(policy, bind);

  const list = policy.command("list").description("list policies");
  bind(withOutput(withConnection(withRepository(list))), POLICY_COLUMNS, async (run, _args, command) => {
    const repository = run.repositoryOrAll(command.opts<Flags>().repository);
    const { policies } = await (await run.cluster()).policies.listPolicies({ repository });
    await run.printList(policies, POLICY_COLUMNS);
    return EXIT.ok;
  });

  const named = (name: string, description: string) =>
    withRepository(policy.command(name).description(description).argument("<name>", "its name"));
  const all = POLICY_COLUMNS.map(({ detail: _, ...column }) => column);
  const print = async (run: Run, answered: Policy | undefined) => {
    if (answered !== undefined) await run.printRecord(answered, all);
    return EXIT.ok;
  };

  bind(withOutput(withConnection(named("show", "show a policy"))), all, async (run, [name], command) => {
    const repository = run.repository(command.opts<Flags>().repository);
    const { policies } = await (await run.cluster()).policies.listPolicies({ repository });
    const found = policies.find((one) => one.name === name);
    if (found === undefined)
      throw usageError(`There is no policy ${name} in ${repository}`, "`permafrost policy list` names them.");
    return await print(run, found);
  });
  for (const [name, description, paused] of [
    ["pause", "start nothing more, until it goes on", true],
    ["resume", "let it go on; what was due meanwhile is not made up for", false],
  ] as const) {
    bind(withOutput(withConnection(named(name, description))), all, async (run, [policyName], command) => {
      const repository = run.repository(command.opts<Flags>().repository);
      const cluster = await run.cluster();
      return await print(run, (await cluster.policies.pausePolicy({ repository, name: policyName ?? "", paused })).policy);
    });
  }
  const remove = named("delete", "delete a policy; what it backed up stays");
  bind(withOutput(withConnection(remove)), all, async (run, [name], command) => {
    const repository = run.repository(command.opts<Flags>().repository);
    const cluster = await run.cluster();
    return await print(run, (await cluster.policies.deletePolicy({ repository, name: name ?? "" })).policy);
  });
}

function addSet(policy: Command, bind: Bind): void {
  const set = policy.command("set").description("make a policy, or change the one of this name").argument("<name>", "its name");
  withRepository(set)
    .requiredOption("--schedule <cron>", "minute, hour, day of month, month, day of week, such as '30 2 * * *'")
    .option("--timezone <name>", "in which the schedule and the days of --keep are meant (default: this machine's)")
    .option("--prune", "prune the repository after something was forgotten");
  withSource(set);
  withGrace(set);
  withSelection(set);
  withKeep(set);
  withGroup(set);
  set.addHelpText(
    "after",
    `
The coordinator starts the backups, and after each one forgets those of this policy that no --keep rule keeps. What was missed while no
coordinator ran is made up for by one backup. Without --keep everything stays.

Examples:
  permafrost policy set nightly --repository production --os-cloud mycloud --schedule '30 2 * * *' --keep-daily 7 --keep-weekly 5 --prune
  permafrost policy set everyone --repository all --os-cloud admin --all-projects --schedule '0 1 * * 6' --timezone Europe/Vienna`,
  );
  const columns = POLICY_COLUMNS.map(({ detail: _, ...column }) => column);
  bind(withOutput(withConnection(set)), columns, async (run, [name], command) => {
    const flags = command.opts<Flags>();
    const repository = run.repository(flags.repository);
    checkGroupFlags(flags, command);
    if (flags.grace !== undefined && flags.prune !== true) throw usageError("--grace goes with --prune");
    const keep = policyOf(flags);
    const cluster = await run.cluster();
    const { policy: made } = await cluster.policies.putPolicy({
      repository,
      policy: {
        name: name ?? "",
        schedule: flags.schedule ?? "",
        timeZone: flags.timezone ?? new Intl.DateTimeFormat().resolvedOptions().timeZone,
        backup: flags.allProjects ? allProjectsOf(run, flags) : tenantOf(run, flags),
        keep: keep && { ...NO_RULES, ...keep },
        prune: flags.prune === true,
        pruneGraceMs: BigInt(flags.grace ?? GRACE_MS),
        ...{ paused: false, repository: "", lastSessionId: "" },
      },
    });
    if (made !== undefined) await run.printRecord(made, columns);
    return EXIT.ok;
  });
}
