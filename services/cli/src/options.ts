/** Options that several commands share, so that they read, complete and fail alike. */

import { type Command, InvalidArgumentError, Option } from "commander";
import { FORMATS } from "./output/render.ts";

/** For a repeatable option: values in the order given. */
export function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value];
}

/** A whole number of at least `min`. */
export function wholeNumber(min: number): (text: string) => number {
  return (text) => {
    if (!/^\d{1,9}$/.test(text) || Number(text) < min) throw new InvalidArgumentError(`It is a whole number of at least ${min}.`);
    return Number(text);
  };
}

const UNIT_MS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 } as const;
const DURATION_MS_MAX = 3650 * UNIT_MS.d;

/** Milliseconds of `90m`, `12h`, `7d`, `2w`; 0 needs no unit. */
export function durationMs(text: string): number {
  const [, count, unit] = /^(\d{1,9})([smhdw])?$/.exec(text) ?? [];
  const isZero = count !== undefined && Number(count) === 0;
  const ms = Number(count) * (unit === undefined ? 1 : UNIT_MS[unit as keyof typeof UNIT_MS]);
  if (count === undefined || (unit === undefined && !isZero) || ms > DURATION_MS_MAX)
    throw new InvalidArgumentError("Say a number and s, m, h, d or w, such as 12h or 7d.");
  return ms;
}

/** Where the cluster is. */
export function withConnection(command: Command): Command {
  return command
    .optionsGroup("Cluster:")
    .option("--data <dir>", "data directory of `permafrost up` (PERMAFROST_DATA; default: the user's state directory)")
    .option("--address <host:port>", "coordinator to talk to (PERMAFROST_ADDRESS)")
    .option("--token-file <file>", "file with its API token (PERMAFROST_TOKEN_FILE)")
    .option("--tls-ca <file>", "certificate authority of the coordinator (PERMAFROST_TLS_CA)")
    .option("--tls-cert <file>", "certificate of this client (PERMAFROST_TLS_CERT)")
    .option("--tls-key <file>", "its private key (PERMAFROST_TLS_KEY)");
}

/** How answers are printed. */
export function withOutput(command: Command): Command {
  return command
    .optionsGroup("Output:")
    .addOption(new Option("-f, --format <format>", "output format; default: table").choices(FORMATS))
    .option("-c, --column <column>", "show this column; repeatable, order kept", collect)
    .option("--sort-column <column>", "sort by this column")
    .option("--json", "same as -f json")
    .option("-q, --quiet", "no progress and no notes")
    .option("-v, --verbose", "say more")
    .option("--no-color", "no colour (NO_COLOR)");
}

/** What opens a repository. */
export function withSecret(command: Command): Command {
  return command
    .optionsGroup("Secret:")
    .option("--passphrase-file <file>", "file with the passphrase (PERMAFROST_PASSPHRASE_FILE; default: ask)")
    .option("--key-file <file>", "file of at least 32 random bytes in place of a passphrase");
}

export function withRepository(command: Command): Command {
  return command.option("--repository <name>", "name or id of the repository (PERMAFROST_REPOSITORY)");
}

/** Selectors, as `backup` and `restore` have them. */
export function withSelection(command: Command, include = "only these"): Command {
  return command
    .option("--include <selector>", `${include}: TYPE, TYPE/ID, TYPE/NAME, name=GLOB or tag=GLOB; repeatable`, collect)
    .option("--exclude <selector>", "not these; wins over --include; repeatable", collect);
}
