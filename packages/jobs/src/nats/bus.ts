/** The bus on a NATS server or cluster with JetStream. */

import { type Clock, systemClock } from "@permafrost/std";
import { busClosed } from "../errors.ts";
import type { Bus } from "../jobs.ts";
import { LeaseKeeper } from "../leases.ts";
import { checkName } from "../limits.ts";
import { BusConnection, type ConnectOptions } from "./connection.ts";
import { NatsQueue } from "./queue.ts";
import { NatsTable } from "./table.ts";

/** Other tables are called `table_...`, so no name of theirs is this one. */
const LEASE_TABLE = "leases";

/**
 * Connects to NATS and checks the server: 2.9.10 or later with JetStream.
 * Throws BUS_UNREACHABLE, BUS_DENIED, BUS_TOO_OLD or BUS_NO_JETSTREAM; later loss of the connection is survived.
 */
export async function connectBus(options: ConnectOptions & { readonly clock?: Clock }): Promise<Bus> {
  const clock = options.clock ?? systemClock;
  const connection = await BusConnection.open(options);
  let leaseTable: Promise<NatsTable> | undefined;
  const leases = new LeaseKeeper(async () => {
    leaseTable ??= NatsTable.open(connection, clock, LEASE_TABLE, undefined);
    try {
      return await leaseTable;
    } catch (error) {
      leaseTable = undefined;
      throw error;
    }
  }, clock);
  const check = () => {
    if (connection.isClosed) throw busClosed();
  };
  return {
    async queue(name, { ackWaitMs }) {
      check();
      checkName(name);
      return await NatsQueue.open(connection, clock, name, ackWaitMs);
    },
    async table(name, tableOptions) {
      check();
      checkName(name);
      return await NatsTable.open(connection, clock, `table_${name}`, tableOptions?.ttlMs);
    },
    async lease(name, holder, ttlMs) {
      check();
      return await leases.acquire(name, holder, ttlMs);
    },
    async ping() {
      check();
      try {
        await connection.jsm.getAccountInfo();
      } catch (error) {
        throw connection.translate(error);
      }
    },
    close: () => connection.close(),
  };
}
