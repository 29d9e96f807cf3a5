/**
 * The token everybody on this cloud shares. It is fetched once however many ask (single flight), replaced at 80 % of
 * its life, and replaced at once when a service refused it, unless somebody already did.
 * If a renewal fails while the old token still lives, the old one is used and the failure logged.
 */

import { CodedError } from "@permafrost/std";
import type { CloudConfig } from "../config/cloud-config.ts";
import type { Transport } from "../http/transport.ts";
import { authenticate, projectLabel } from "./keystone.ts";
import type { Token } from "./token.ts";

export interface KeystoneSession {
  /** A token with at least a fifth of its life left. Throws AUTH_FAILED, PROJECT_UNKNOWN, CLOUD_UNREACHABLE. */
  token(signal?: AbortSignal): Promise<Token>;
  /** Another token than `refusedId`. */
  renew(refusedId: string, signal?: AbortSignal): Promise<Token>;
}

export function openSession(transport: Transport, config: CloudConfig): KeystoneSession {
  let current: Token | undefined;
  let flight: Promise<Token> | undefined;

  /** One request for all who wait; a caller's signal ends its own waiting and nobody else's. */
  function fetchToken(signal: AbortSignal | undefined): Promise<Token> {
    flight ??= authenticate(transport, config)
      .then((token) => {
        checkProject(config, token);
        current = token;
        return token;
      })
      .finally(() => {
        flight = undefined;
      });
    return waitFor(flight, signal);
  }

  return {
    async token(signal) {
      const nowMs = transport.clock.monotonic();
      if (current !== undefined && nowMs < current.renewAtMs) return current;
      try {
        return await fetchToken(signal);
      } catch (error) {
        signal?.throwIfAborted();
        const temporary = CodedError.is(error) && error.retry === "later";
        if (!temporary || current === undefined || transport.clock.monotonic() >= current.deadAtMs) throw error;
        transport.logger.warn({ cloud: config.name, code: error.code }, "token could not be renewed yet; the old one is used");
        return current;
      }
    },
    async renew(refusedId, signal) {
      if (current !== undefined && current.id !== refusedId) return current;
      return await fetchToken(signal);
    },
  };
}

/** An application credential cannot change its project: if another was asked for, that is an error and not a surprise. */
function checkProject(config: CloudConfig, token: Token): void {
  if (config.scope.kind !== "project") return;
  const wanted = projectLabel(config.scope.project);
  if (token.project !== undefined && (token.project.id === wanted || token.project.name === wanted)) return;
  throw new CodedError("PROJECT_UNKNOWN", `${config.credential.label} is bound to another project than ${wanted}`, {
    facts: { cloud: config.name, user: config.credential.label, project: wanted, known: token.project?.name },
    hint: "Use a credential of that project; an application credential works on its own project only.",
  });
}

function waitFor<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
