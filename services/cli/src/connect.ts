/** The Cluster of `api.ts` over gRPC. One connection to the coordinator, and one to each worker that bytes go to. */

import { connectControl, connectInput, type InputConnection } from "@permafrost/client";
import type { Cluster, Endpoint } from "./api.ts";

/** Connects with the first call. */
export function connectCluster(endpoint: Endpoint): Cluster {
  const control = connectControl(endpoint);
  const inputs = new Map<string, InputConnection>();
  return {
    repositories: control.repositories,
    sessions: control.sessions,
    policies: control.policies,
    input(address) {
      const known = inputs.get(address) ?? connectInput({ ...endpoint, address });
      inputs.set(address, known);
      return known.input;
    },
    close() {
      control.close();
      for (const input of inputs.values()) input.close();
    },
  };
}

/** Whether the service at `address` on loopback says that it serves; no token is needed to ask. */
export async function isServing(address: string): Promise<boolean> {
  const connection = connectControl({ address });
  try {
    return await connection.health();
  } finally {
    connection.close();
  }
}
