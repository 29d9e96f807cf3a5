/**
 * The one error class of the project.
 *
 * An error is a code, facts and what to do next. Callers switch on `code`; nobody
 * matches message text or walks class trees. `assert` is for our own mistakes; a
 * `CodedError` is for the world's. Codes are literals owned by the raising package and
 * written down in its `errors.ts` or at the throw site; the table that maps them to gRPC
 * codes and exit codes is tested to be complete.
 */

/** `never`: trying again cannot help. `later`: the same call may succeed. `elsewhere`: another replica may have it. */
export type Retry = "never" | "later" | "elsewhere";

/** Facts are plain values: they cross the wire as JSON and are shown to the user. Never put a secret here. */
export type Facts = Readonly<Record<string, string | number | boolean | undefined>>;

export interface CodedErrorOptions {
  readonly facts?: Facts;
  /** One sentence that says what the reader can do now. */
  readonly hint?: string;
  /** Default `never`. */
  readonly retry?: Retry;
  readonly cause?: unknown;
}

export class CodedError extends Error {
  override readonly name = "CodedError";
  readonly code: string;
  readonly facts: Facts;
  readonly hint: string | undefined;
  readonly retry: Retry;

  constructor(code: string, message: string, options: CodedErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.facts = options.facts ?? {};
    this.hint = options.hint;
    this.retry = options.retry ?? "never";
  }

  /** True if `error` is a CodedError, with the given code when one is given. */
  static is(error: unknown, code?: string): error is CodedError {
    return error instanceof CodedError && (code === undefined || error.code === code);
  }

  /** Any thrown value as a CodedError; what is not one already becomes `INTERNAL` with its cause kept. */
  static from(error: unknown): CodedError {
    if (error instanceof CodedError) return error;
    const message = error instanceof Error ? error.message : String(error);
    return new CodedError("INTERNAL", message, { cause: error });
  }
}

/** Throws `ASSERTION` when `condition` is false: a bug of ours, never a fault of the world. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new CodedError("ASSERTION", message);
}
