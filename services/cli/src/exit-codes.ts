/**
 * The one table of exit codes, and the one place where an error's code becomes one.
 *
 * `--help` and README print this table; `exit-codes.test.ts` reaches every row. A code that is not listed here is
 * `failed`: a script may treat every unknown non-zero code as failure.
 */

export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  partial: 3,
  noRepository: 10,
  wrongKey: 12,
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export const EXIT_CODES: readonly { readonly code: ExitCode; readonly meaning: string }[] = [
  { code: EXIT.ok, meaning: "everything asked for was done" },
  { code: EXIT.failed, meaning: "failed; nothing was committed, or the answer is an error" },
  { code: EXIT.usage, meaning: "the command line or a setting is wrong; nothing was done" },
  {
    code: EXIT.partial,
    meaning: "finished, but some resources or files failed, or a plan cannot be applied whole; the others are safe",
  },
  { code: EXIT.noRepository, meaning: "no such repository" },
  { code: EXIT.wrongKey, meaning: "the passphrase or key is wrong, or the repository is locked here" },
  { code: EXIT.interrupted, meaning: "interrupted" },
];

const BY_ERROR_CODE: Readonly<Record<string, ExitCode>> = {
  USAGE: EXIT.usage,
  REQUEST_INVALID: EXIT.usage,
  SELECTION_MALFORMED: EXIT.usage,
  MAP_KIND_UNKNOWN: EXIT.usage,
  MAP_TARGET_UNKNOWN: EXIT.usage,
  CONFIG_INVALID: EXIT.usage,
  LISTEN_NEEDS_TLS: EXIT.usage,
  NO_REPOSITORY: EXIT.noRepository,
  REPOSITORY_UNKNOWN: EXIT.noRepository,
  REPOSITORY_LOCKED: EXIT.wrongKey,
  KEY_NOT_IN_KEYRING: EXIT.wrongKey,
  WRONG_KEY: EXIT.wrongKey,
  SECRET_WRONG: EXIT.wrongKey,
  RECOVERY_KEY_MALFORMED: EXIT.wrongKey,
  INTERRUPTED: EXIT.interrupted,
};

/** The exit code for a CodedError's code. */
export function exitCodeOf(errorCode: string): ExitCode {
  return BY_ERROR_CODE[errorCode] ?? EXIT.failed;
}

/** The exit code for the state a session ended in; a session that somehow still runs has not succeeded. */
export function exitCodeOfState(state: string): ExitCode {
  switch (state) {
    case "succeeded":
      return EXIT.ok;
    case "partial":
      return EXIT.partial;
    case "cancelled":
      return EXIT.interrupted;
    default:
      return EXIT.failed;
  }
}

/** The table as `--help` shows it. */
export function exitCodesHelp(): string {
  return EXIT_CODES.map(({ code, meaning }) => `  ${String(code).padEnd(4)} ${meaning}`).join("\n");
}
