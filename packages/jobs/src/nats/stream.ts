/** Makes a stream as configured, whether it is absent, there already, or there with older settings. */

import { JetStreamApiError, type StreamConfig } from "@nats-io/jetstream";
import type { BusConnection } from "./connection.ts";

/** The server's code for "a stream of this name exists with other settings". */
const STREAM_NAME_IN_USE = 10058;

/** Idempotent. Throws BUS_FAILED when the server cannot make it, such as with fewer servers than replicas. */
export async function ensureStream(bus: BusConnection, config: Partial<StreamConfig> & { readonly name: string }): Promise<void> {
  const wanted = { ...config, num_replicas: bus.replicas };
  try {
    await bus.jsm.streams.add(wanted);
  } catch (error) {
    if (!(error instanceof JetStreamApiError) || error.code !== STREAM_NAME_IN_USE) throw bus.translate(error);
    try {
      await bus.jsm.streams.update(config.name, wanted);
    } catch (updateError) {
      throw bus.translate(updateError);
    }
  }
}
