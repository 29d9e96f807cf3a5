/**
 * A server's receive windows. grpc-js 1.14 sets `grpc-node.flow_control_window` on clients only, so an upload runs in Node's
 * 64 KiB window and 16 KiB frames: half the throughput per CPU second.
 *
 * An interceptor sees each call's HTTP/2 stream and, the first time for a connection, announces larger ones. The stream is a
 * private field: when it is not there nothing is changed, and `tuned` stays at 0, which a test would show after an upgrade.
 */

import type { ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import type { ServerInterceptor } from "@grpc/grpc-js";
import { CONNECTION_WINDOW_BYTES, FRAME_BYTES, STREAM_WINDOW_BYTES } from "./limits.ts";

export interface ServerWindow {
  readonly interceptor: ServerInterceptor;
  /** Connections whose windows were enlarged. */
  tuned(): number;
}

export function serverWindow(): ServerWindow {
  const seen = new WeakSet<ServerHttp2Session>();
  let tuned = 0;
  return {
    tuned: () => tuned,
    interceptor: (_method, call) => {
      const { stream } = call as unknown as { readonly stream?: ServerHttp2Stream };
      const session = stream?.session as ServerHttp2Session | undefined;
      if (session && !seen.has(session) && !session.destroyed && typeof session.setLocalWindowSize === "function") {
        seen.add(session);
        session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
        session.settings({ initialWindowSize: STREAM_WINDOW_BYTES, maxFrameSize: FRAME_BYTES });
        tuned++;
      }
      return call as ReturnType<ServerInterceptor>;
    },
  };
}
