/**
 * Scripted faults: which request misbehaves, how often, and how.
 *
 * A fault is matched in the order it was added; the first that matches a request and has times left takes it. The
 * fields of one action combine (a delay and a cut body, say). Nothing is random: the same script gives the same run.
 */

import type { Call, Reply } from "./http.ts";
import type { JournalEntry, ServiceName } from "./journal.ts";

export interface FaultMatch {
  readonly service?: ServiceName;
  readonly method?: string;
  /** Tested against the path and query, such as `/v2/images/…/file` or `/v1/AUTH_p/c/o?multipart-manifest=get`. */
  readonly path?: RegExp;
  /** The last word, when the fields above are not enough. */
  readonly when?: (call: Call) => boolean;
}

export interface FaultAction {
  /** Awaited before the request is handled. A test may kill a worker here. */
  readonly hook?: (call: Call) => unknown;
  /** Awaited after the request took effect, before any byte is answered. */
  readonly hookAfter?: (call: Call, reply: Reply) => unknown;
  readonly delayMs?: number;
  /** Answer this instead of handling the request, with `headers` (such as Retry-After) and `body`. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** The service's own 401. */
  readonly unauthorized?: boolean;
  /** `before`: the connection breaks and nothing happened; `after`: it took effect, the response is lost. */
  readonly drop?: "before" | "after";
  /** Break the connection after so many body bytes. */
  readonly truncateAfterBytes?: number;
  /** With `truncateAfterBytes`: chunked without a length and ended politely, so that only counting finds it. */
  readonly endCleanly?: boolean;
  /** Added to the true Content-Length. */
  readonly contentLengthDelta?: number;
  /** Flip every bit of the body byte at this offset of the response. */
  readonly corruptByteAt?: number;
  /** At this body byte the token expires: the download is cut, later requests with the token get 401. */
  readonly expireTokenAtByte?: number;
  /** A proxy's page, status 200 and text/html, instead of the answer; the request is not handled. */
  readonly html?: boolean;
  /** What this request creates (or names in its path, when it creates nothing) stays in its state for so many polls. */
  readonly freeze?: { readonly polls: number };
  /** Awaited when the body has reached `atByte`: change or delete the resource that is being read. */
  readonly midBody?: { readonly atByte: number; readonly run: () => unknown };
  /** Every page is the first page, with a link to the next. */
  readonly paginationLoop?: boolean;
  /** The Range header is not honoured: 200 and everything. */
  readonly ignoreRange?: boolean;
  /** What this request starts ends in an error state: volumes and snapshots `error` or `error_deleting`, images `killed`. */
  readonly fail?: boolean;
}

export interface FaultRule {
  readonly name?: string;
  readonly match: FaultMatch;
  /** How often; default once. */
  readonly times?: number;
  /** Let so many matching requests pass first. */
  readonly after?: number;
  readonly action: FaultAction;
}

interface LiveRule {
  readonly rule: FaultRule;
  readonly name: string;
  skip: number;
  left: number;
  hits: number;
}

/** Returned by `add`: how often the fault hit, and a way to take it back. */
export interface FaultHandle {
  readonly hits: number;
  remove(): void;
}

export class Faults {
  #rules: LiveRule[] = [];

  add(rule: FaultRule): FaultHandle {
    const name = rule.name ?? Object.keys(rule.action).join("+");
    const live: LiveRule = { rule, name, skip: rule.after ?? 0, left: rule.times ?? 1, hits: 0 };
    this.#rules.push(live);
    return {
      get hits() {
        return live.hits;
      },
      remove: () => {
        this.#rules = this.#rules.filter((other) => other !== live);
      },
    };
  }

  clear(): void {
    this.#rules = [];
  }

  /** The action for this request, if any; uses up one of its times and names it in the journal. */
  take(call: Call, entry: JournalEntry): FaultAction | undefined {
    for (const live of this.#rules) {
      if (live.left <= 0 || !matches(live.rule.match, call)) continue;
      if (live.skip > 0) {
        live.skip--;
        continue;
      }
      live.left--;
      live.hits++;
      entry.fault = live.name;
      return live.rule.action;
    }
    return undefined;
  }
}

function matches(match: FaultMatch, call: Call): boolean {
  if (match.service !== undefined && match.service !== call.service) return false;
  if (match.method !== undefined && match.method !== call.method) return false;
  if (match.path !== undefined && !match.path.test(call.target)) return false;
  return match.when?.(call) ?? true;
}
