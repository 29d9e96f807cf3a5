/**
 * Shows a ProgressModel on standard error: on a terminal redrawn in place at most five times a second; in a pipe one
 * plain line every thirty seconds; quiet: nothing. Notes are said in every mode and never torn by a redraw.
 */

import type { Clock } from "@permafrost/std";
import type { Resource, Session } from "../api.ts";
import type { Output } from "../context.ts";
import { ProgressModel } from "./model.ts";

export const REDRAW_MS = 200;
export const PLAIN_LINE_MS = 30_000;

export class ProgressDisplay {
  readonly #output: Output;
  readonly #clock: Clock;
  readonly #model: ProgressModel;
  readonly #stopped = new AbortController();
  readonly #loop: Promise<void>;
  #drawnLines = 0;
  // One write after another: what is drawn and how many lines it took must agree.
  #writes: Promise<void> = Promise.resolve();

  constructor(output: Output, clock: Clock, quiet: boolean) {
    this.#output = output;
    this.#clock = clock;
    this.#model = new ProgressModel(clock.monotonic());
    this.#loop = quiet ? Promise.resolve() : this.#run();
  }

  update(session: Session | undefined, changed: readonly Resource[]): void {
    this.#model.update(session, changed, this.#clock.monotonic());
  }

  /** Says a line that stays. */
  note(text: string): Promise<void> {
    return this.#queue(() => `${this.#erase()}${text}\n`);
  }

  /** Removes what is drawn. Resolves when everything is written. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#loop;
    await this.#queue(() => this.#erase());
  }

  async #run(): Promise<void> {
    const intervalMs = this.#output.isTerminal ? REDRAW_MS : PLAIN_LINE_MS;
    while (await this.#wait(intervalMs)) await this.#queue(() => (this.#output.isTerminal ? this.#redraw() : this.#plain()));
  }

  async #wait(ms: number): Promise<boolean> {
    try {
      await this.#clock.sleep(ms, this.#stopped.signal);
      return !this.#stopped.signal.aborted;
    } catch {
      return false;
    }
  }

  #plain(): string {
    return `${this.#model.sessionLine(this.#clock.monotonic())}\n`;
  }

  #redraw(): string {
    const lines = this.#model.lines(this.#clock.monotonic(), this.#output.columns());
    const text = `${this.#erase()}${lines.join("\n")}\n`;
    this.#drawnLines = lines.length;
    return text;
  }

  /** Cursor up over what was drawn, then clear to the end of the screen. */
  #erase(): string {
    const text = this.#drawnLines === 0 ? "" : `\u001b[${this.#drawnLines}A\r\u001b[J`;
    this.#drawnLines = 0;
    return text;
  }

  #queue(text: () => string): Promise<void> {
    this.#writes = this.#writes.then(() => {
      const now = text();
      return now === "" ? undefined : this.#output.write(now);
    });
    return this.#writes;
  }
}
