/**
 * What is known of a running session, and how it reads: one line for the session and one for each resource that
 * runs. Pure but for what it remembers; time comes in as a parameter, in milliseconds that never go back.
 */

import { formatBytes, formatDuration, formatRate } from "../amounts.ts";
import type { Resource, Session } from "../api.ts";
import { printable } from "../output/render.ts";
import { RateWindow } from "./rate.ts";

/** More running resources than this are counted, not listed. */
export const RESOURCE_LINES_MAX = 8;

interface Running {
  readonly resource: Resource;
  readonly rate: RateWindow;
}

export class ProgressModel {
  readonly #startMs: number;
  readonly #rate = new RateWindow();
  readonly #running = new Map<string, Running>();
  /** Bytes processed by resource: a stream has no size until it ends, so the session's own sum leaves it out. */
  readonly #done = new Map<string, bigint>();
  #session: Session | undefined;

  constructor(startMs: number) {
    this.#startMs = startMs;
  }

  /** Takes one message of WatchSession. */
  update(session: Session | undefined, changed: readonly Resource[], nowMs: number): void {
    if (session !== undefined) this.#session = session;
    for (const resource of changed) {
      const key = `${resource.type}/${resource.id}`;
      this.#done.set(key, resource.bytesDone);
      if (resource.state !== "running") {
        this.#running.delete(key);
        continue;
      }
      const rate = this.#running.get(key)?.rate ?? new RateWindow();
      rate.add(nowMs, Number(resource.bytesDone));
      this.#running.set(key, { resource, rate });
    }
    this.#rate.add(nowMs, Number(this.#bytesDone()));
  }

  #bytesDone(): bigint {
    const sum = [...this.#done.values()].reduce((total, bytes) => total + bytes, 0n);
    const known = this.#session?.bytesDone ?? 0n;
    return sum > known ? sum : known;
  }

  /** The session's line and those of what runs; each cut to `width`. */
  lines(nowMs: number, width: number): string[] {
    const whole = this.sessionLine(nowMs);
    // On a narrow terminal the id goes first: the last line of the command says it again.
    const lines = [whole.length > width ? this.sessionLine(nowMs, { withId: false }) : whole];
    const running = [...this.#running.values()];
    for (const { resource, rate } of running.slice(0, RESOURCE_LINES_MAX)) {
      const parts = [
        `  ${resource.type} ${printable(resource.name || resource.id)}`,
        share(resource.bytesDone, resource.bytesTotal),
        amount(resource.bytesDone, resource.bytesTotal),
        // What has no bytes has no rate either.
        resource.bytesDone + resource.bytesTotal > 0n ? rateText(rate.bytesPerSecond(nowMs)) : "",
      ];
      lines.push(parts.filter((part) => part !== "").join("  "));
    }
    if (running.length > RESOURCE_LINES_MAX) lines.push(`  and ${running.length - RESOURCE_LINES_MAX} more`);
    return lines.map((line) => (line.length > width ? `${line.slice(0, Math.max(0, width - 1))}…` : line));
  }

  /** The session's line; before the first message only the time. */
  sessionLine(nowMs: number, { withId } = { withId: true }): string {
    const elapsed = formatDuration(nowMs - this.#startMs);
    const session = this.#session;
    if (session === undefined) return `starting  ${elapsed}`;
    const ended = session.succeeded + session.failed + session.skipped;
    const rate = this.#rate.bytesPerSecond(nowMs);
    const done = this.#bytesDone();
    const left = Number(session.bytesTotal - done);
    const parts = [
      withId ? `${session.kind} ${session.id}` : session.kind,
      session.phase,
      share(done, session.bytesTotal),
      amount(done, session.bytesTotal),
      done + session.bytesTotal > 0n ? rateText(rate) : "",
      rate !== undefined && rate > 0 && left > 0 ? `ETA ${formatDuration((left / rate) * 1000)}` : "",
      session.resources > 0 ? `${ended}/${session.resources} ${session.kind === "group" ? "projects" : "resources"}` : "",
      session.failed > 0 ? `${session.failed} failed` : "",
      elapsed,
    ];
    return parts.filter((part) => part !== "").join("  ");
  }
}

function share(done: bigint, total: bigint): string {
  return total > 0n ? `${Math.min(100, Math.floor((Number(done) * 100) / Number(total)))}%` : "";
}

function amount(done: bigint, total: bigint): string {
  if (total > 0n) return `${formatBytes(done)} of ${formatBytes(total)}`;
  return done > 0n ? formatBytes(done) : "";
}

function rateText(rate: number | undefined): string {
  return rate === undefined ? "" : formatRate(rate);
}
