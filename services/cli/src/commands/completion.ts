/**
 * `permafrost completion bash|zsh|fish` and the hidden `complete -- …` that the scripts call. Both come from the tree
 * of commands itself, so they cannot lag behind it.
 */

import tab from "@bomb.sh/tab/commander";
import type { Command } from "commander";

export function addCompletion(program: Command): void {
  tab(program, { completionCommandName: "completion" });
  const completion = program.commands.find((command) => command.name() === "completion");
  completion?.description("print a completion script for a shell").addHelpText(
    "after",
    `
Bash needs the package bash-completion.

Examples:
  source <(permafrost completion bash)
  permafrost completion zsh > "\${fpath[1]}/_permafrost"
  permafrost completion fish > ~/.config/fish/completions/permafrost.fish`,
  );
}
