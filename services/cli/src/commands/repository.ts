/** `permafrost repository init|list|unlock`. */

import type { Command } from "commander";
import type { Repository } from "../api.ts";
import { EXIT } from "../exit-codes.ts";
import { usageError } from "../failure.ts";
import { withConnection, withOutput, withSecret } from "../options.ts";
import { REPOSITORY_COLUMNS } from "../output/rows.ts";
import type { Run } from "../run-context.ts";
import { readSecret, type SecretFlags } from "../secret.ts";
import type { Bind } from "./command.ts";

export function addRepositoryCommands(program: Command, bind: Bind): void {
  const repository = program.command("repository").description("make, list and open repositories");

  const init = repository
    .command("init")
    .description("make a repository and print its recovery key, once")
    .argument("[name]", "letters, digits, `.`, `_`, `-` (PERMAFROST_REPOSITORY)")
    .addHelpText(
      "after",
      `
Examples:
  permafrost repository init production
  permafrost repository init production --passphrase-file ~/.config/permafrost/production
  permafrost repository init production --json | jq -r .recovery_key > recovery-key`,
    );
  bind(withOutput(withConnection(withSecret(init))), REPOSITORY_COLUMNS, async (run, [name], command) => {
    const secret = await readSecret(command.opts<SecretFlags>(), run.context, true);
    const cluster = await run.cluster();
    const answer = await cluster.repositories.initRepository({ name: repositoryName(run, name), secret });
    if (answer.repository === undefined) throw new Error("the coordinator answered without a repository");
    await run.printRecord<Repository>(answer.repository, REPOSITORY_COLUMNS, { recovery_key: answer.recoveryKey });
    if (!run.forMachines) {
      await run.context.stdout.write(
        `\nRecovery key (shown now and never again; keep it away from this cluster):\n\n    ${answer.recoveryKey}\n\n` +
          "Whoever has it can read this repository. Without it and the passphrase or key file, nobody can.\n",
      );
    } else if (run.settings.render.format !== "json" && run.settings.render.format !== "yaml") {
      // csv and value show columns only; the key must not be lost for it.
      await run.warn(`Recovery key (shown now and never again): ${answer.recoveryKey}`);
    }
    return EXIT.ok;
  });

  const list = repository.command("list").description("list the repositories of the cluster");
  bind(withOutput(withConnection(list)), REPOSITORY_COLUMNS, async (run) => {
    const cluster = await run.cluster();
    const { repositories } = await cluster.repositories.listRepositories({});
    await run.printList(repositories, REPOSITORY_COLUMNS);
    return EXIT.ok;
  });

  const unlock = repository
    .command("unlock")
    .description("give a coordinator the secret of a repository")
    .argument("[name]", "name or id (PERMAFROST_REPOSITORY)");
  withSecret(unlock).option("--recovery-key-file <file>", "file with the recovery key");
  bind(withOutput(withConnection(unlock)), REPOSITORY_COLUMNS, async (run, [name], command) => {
    const secret = await readSecret(command.opts<SecretFlags>(), run.context, false);
    const cluster = await run.cluster();
    const answer = await cluster.repositories.unlockRepository({ repository: repositoryName(run, name), secret });
    if (answer.repository !== undefined) await run.printRecord(answer.repository, REPOSITORY_COLUMNS);
    return EXIT.ok;
  });
}

/** The one named, or that of the environment. Throws USAGE with the hint. */
export function repositoryName(run: Run, name: string | undefined, hint = "`permafrost repository init NAME`"): string {
  const found = name ?? run.context.env.PERMAFROST_REPOSITORY;
  if (!found) throw usageError("No name for the repository", hint);
  return found;
}
