/** Ports on this machine: a free one, or whether a wished one can be had. */

import { createServer } from "node:net";
import { CodedError } from "@permafrost/std";

/** A port of `host` that was free a moment ago. */
export async function freePort(host: string): Promise<number> {
  return probe(host, 0);
}

/** `host:port` taken apart; brackets around IPv6. Undefined if it is no such thing. */
export function splitAddress(address: string): { readonly host: string; readonly port: number } | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:\s]+)):(\d{1,5})$/.exec(address);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  return host === undefined || port > 65_535 ? undefined : { host, port };
}

/** Throws LISTEN_FAILED if nobody can listen there now. */
export async function assertFree(address: string): Promise<void> {
  const parts = splitAddress(address);
  if (parts === undefined) throw new CodedError("CONFIG_INVALID", `${JSON.stringify(address)} is not HOST:PORT`);
  try {
    await probe(parts.host, parts.port);
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? String(cause);
    const why = reason === "EADDRINUSE" ? "another process listens there" : reason;
    throw new CodedError("LISTEN_FAILED", `Cannot listen on ${address}: ${why}`, {
      facts: { address, reason },
      hint: "Name another address with --listen, or leave it out and let a free port be chosen.",
      cause,
    });
  }
}

function probe(host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(port, host, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : port));
    });
  });
}
