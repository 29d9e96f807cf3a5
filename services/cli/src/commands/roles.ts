/**
 * `permafrost coordinator|worker|storage-node --config FILE`: one role in the foreground, for clusters of several
 * hosts, and for `up`, which starts each as a child. Each role's program is loaded only when it is asked for.
 */

import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { EXIT } from "../exit-codes.ts";
import type { Bind } from "./command.ts";

interface RoleMain {
  readonly main: (argv: string[]) => Promise<unknown>;
}

const ROLES: readonly { readonly name: string; readonly description: string; readonly load: () => Promise<RoleMain> }[] = [
  {
    name: "coordinator",
    description: "run a coordinator: sessions, plans, the control API",
    load: () => import("@permafrost/service-coordinator"),
  },
  {
    name: "worker",
    description: "run a worker: reads and writes clouds, cuts and seals blocks",
    load: () => import("@permafrost/service-worker"),
  },
  {
    name: "storage-node",
    description: "run a storage node: keeps sealed blocks, knows no key",
    load: () => import("@permafrost/service-storage-node"),
  },
];

export function addRoleCommands(program: Command, bind: Bind): void {
  for (const { name, description, load } of ROLES) {
    const role = program
      .command(name)
      .description(description)
      .requiredOption("--config <file>", "configuration file (YAML)")
      .addOption(new Option("--with-parent").hideHelp());
    if (name === "storage-node") {
      role
        .option("--rebuild-index", "make the index anew from the packs, then run")
        .option("--take-over", "take packs in a bucket from a node that will not come back");
    }
    bind(role, [], async (run, _args, command) => {
      const flags = command.opts<{ config: string; withParent?: boolean; rebuildIndex?: boolean; takeOver?: boolean }>();
      if (flags.withParent) endWithParent();
      const { main } = await load();
      const argv = ["--config", resolve(run.context.cwd, flags.config)];
      if (flags.rebuildIndex) argv.push("--rebuild-index");
      if (flags.takeOver) argv.push("--take-over");
      const code = await main(argv);
      return code === undefined || code === 0 ? EXIT.ok : EXIT.failed;
    });
  }
}

/** `up` holds the other end of standard input: when it dies without a word, the role stops as for SIGTERM. */
function endWithParent(): void {
  process.stdin.on("end", () => process.kill(process.pid, "SIGTERM"));
  process.stdin.on("error", () => process.kill(process.pid, "SIGTERM"));
  process.stdin.resume();
}
