/** What the acceptance suites are made of: cases that run in order, what the program prints, and assertions on it. */

import assert from "node:assert/strict";
import type { Outcome } from "./permafrost.ts";

export interface Case {
  readonly name: string;
  run(): Promise<void>;
}

export interface Suite {
  readonly cases: readonly Case[];
  /** Stops what a case left running. Safe to repeat. */
  close(): Promise<void>;
}

/** A session as `-f json` prints it; byte counts are numbers. */
export interface SessionJson {
  readonly id: string;
  readonly kind: string;
  readonly state: string;
  readonly parent_id: string | null;
  readonly project_id: string | null;
  readonly logical_size: number;
  readonly read_size: number;
  readonly new_size: number;
  readonly resources: number;
  readonly failed: number;
  readonly consistency_window_ms: number;
  readonly resource_list: readonly ResourceJson[];
}

export interface ResourceJson {
  readonly type: string;
  readonly id: string;
  readonly name: string;
  readonly state: string;
  readonly logical_size: number | null;
  readonly read_size: number | null;
  readonly new_size: number | null;
  readonly source_hash: string | null;
  readonly action: string | null;
  readonly verified: string | null;
  readonly target_id: string | null;
  readonly mismatches: readonly string[];
  readonly warnings: readonly string[];
  readonly reason: string | null;
  readonly failure: { readonly code: string; readonly message: string; readonly hint?: string } | null;
}

export async function fails(pending: Promise<Outcome>, exitCode: number): Promise<void> {
  const outcome = await pending;
  assert.equal(outcome.exitCode, exitCode, tail(outcome));
  assert.notEqual(outcome.stderr.trim(), "", "an error is explained on standard error");
  assert.doesNotMatch(outcome.stderr, /^\s+at .*:\d+:\d+\)?$/m, "no stack trace");
}

/** Asserts that a list of differences is empty, and shows the list when it is not. */
export function same(differences: readonly string[], what = "differences"): void {
  assert.deepEqual(differences, [], `${what}:\n  ${differences.slice(0, 40).join("\n  ")}`);
}

export function needed<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`${what} is missing because an earlier case failed`);
  return value;
}

/** What it said about itself, without progress. */
export function tail({ stdout, stderr }: Outcome): string {
  const said = stderr
    .split("\n")
    .filter((line) => !/^(backup|restore|check) \S+ {2}/.test(line))
    .join("\n");
  return (said.trim() === "" ? stdout : said).slice(-3000).trim();
}
