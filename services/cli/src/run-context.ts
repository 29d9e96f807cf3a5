/**
 * What a command works with: the world, the settings of this call, the cluster once it is needed, and its three ways
 * of speaking: results on standard output, notes on standard error, and the final failure line for machines.
 */

import { CodedError } from "@permafrost/std";
import type { Cluster } from "./api.ts";
import type { CliContext } from "./context.ts";
import { EXIT, type ExitCode } from "./exit-codes.ts";
import { exitErrorLine, usageError } from "./failure.ts";
import { Interrupts, interrupted } from "./interrupts.ts";
import type { Column } from "./output/column.ts";
import { renderList, renderRecord } from "./output/render.ts";
import { type CommonFlags, resolveEndpoint, resolveSettings, type Settings } from "./settings.ts";

export class Run implements Disposable {
  readonly context: CliContext;
  readonly settings: Settings;
  readonly #flags: CommonFlags;
  #cluster: Cluster | undefined;
  #interrupts: Interrupts | undefined;

  constructor(context: CliContext, flags: CommonFlags) {
    this.context = context;
    this.#flags = flags;
    this.settings = resolveSettings(flags, context);
  }

  /** The connection, made on first use. */
  async cluster(): Promise<Cluster> {
    this.#cluster ??= await this.context.connect(await resolveEndpoint(this.#flags, this.context));
    return this.#cluster;
  }

  /** From the first use on, Ctrl-C is the command's affair and no longer ends the process. */
  get interrupts(): Interrupts {
    this.#interrupts ??= new Interrupts(this.context);
    return this.#interrupts;
  }

  /** `--repository` or PERMAFROST_REPOSITORY. */
  repository(flag: string | undefined): string {
    const name = flag ?? this.context.env.PERMAFROST_REPOSITORY;
    if (!name)
      throw usageError(
        "No repository",
        "Name one with --repository or PERMAFROST_REPOSITORY; `permafrost repository list` shows them.",
      );
    return name;
  }

  /** The same where none means all. */
  repositoryOrAll(flag: string | undefined): string {
    return flag ?? this.context.env.PERMAFROST_REPOSITORY ?? "";
  }

  /** What to report for an error of this run: a call given up because of Ctrl-C is an interruption. */
  failure(error: unknown): unknown {
    return this.#interrupts?.happened && CodedError.is(error, "CANCELLED") ? interrupted() : error;
  }

  /** What `-c` and `--sort-column` name. */
  columnNames(): readonly string[] {
    const { columns, sortColumn } = this.settings.render;
    return sortColumn === undefined ? columns : [...columns, sortColumn];
  }

  get forMachines(): boolean {
    return this.settings.render.format !== "table";
  }

  /** True when standard error ends with the machine's line on a failure. */
  get json(): boolean {
    return this.settings.render.format === "json";
  }

  async printList<Row>(rows: readonly Row[], columns: readonly Column<Row>[], tableColumns?: readonly string[]): Promise<void> {
    const { render } = this.settings;
    const chosen =
      render.columns.length === 0 && render.format !== "json" && render.format !== "yaml" ? (tableColumns ?? []) : render.columns;
    await this.context.stdout.write(renderList(rows, columns, { ...render, columns: chosen }));
  }

  async printRecord<Row>(row: Row, columns: readonly Column<Row>[], extra?: Readonly<Record<string, unknown>>): Promise<void> {
    await this.context.stdout.write(renderRecord(row, columns, this.settings.render, extra));
  }

  /** A line for people, on standard error; not with `-q`. */
  async note(text: string): Promise<void> {
    if (!this.settings.quiet) await this.context.stderr.write(`${text}\n`);
  }

  /** A line that matters with `-q` too. */
  async warn(text: string): Promise<void> {
    await this.context.stderr.write(`${text}\n`);
  }

  /** The exit code of a command that ended without an exception; what is not `ok` gets the machine's last line. */
  async end(code: ExitCode, message: string): Promise<ExitCode> {
    if (code !== EXIT.ok && this.json) await this.context.stderr.write(`${exitErrorLine(code, message)}\n`);
    return code;
  }

  [Symbol.dispose](): void {
    this.#interrupts?.[Symbol.dispose]();
    this.#cluster?.close();
  }
}
