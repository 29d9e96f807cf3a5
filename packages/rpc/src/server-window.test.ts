import { once } from "node:events";
import { connect, constants } from "node:http2";
import type { ServerInterceptor } from "@grpc/grpc-js";
import { memoryBlockStore } from "@permafrost/blocks";
import { describe, expect, it } from "vitest";
import { blockService } from "./block-service.ts";
import { CONNECTION_WINDOW_BYTES, FRAME_BYTES, STREAM_WINDOW_BYTES } from "./limits.ts";
import { startServer } from "./server.ts";
import { serverWindow } from "./server-window.ts";

describe("the windows of a server", () => {
  it("are announced to a client with its first call", async () => {
    const server = await startServer({ listen: "127.0.0.1:0", services: [blockService(memoryBlockStore())] });
    const session = connect(`http://${server.address}`);
    await once(session, "remoteSettings");
    expect(session.remoteSettings.initialWindowSize).toBe(65_535);
    const announced = once(session, "remoteSettings");
    const call = session.request({
      [constants.HTTP2_HEADER_METHOD]: "POST",
      [constants.HTTP2_HEADER_PATH]: "/grpc.health.v1.Health/Check",
      "content-type": "application/grpc",
      te: "trailers",
    });
    call.end(Buffer.alloc(5)); // an empty message
    call.resume();
    await announced;
    await once(call, "close");
    expect(session.remoteSettings.initialWindowSize).toBe(STREAM_WINDOW_BYTES);
    expect(session.remoteSettings.maxFrameSize).toBe(FRAME_BYTES);
    expect(session.state.remoteWindowSize).toBeGreaterThan(CONNECTION_WINDOW_BYTES - 1024);
    session.close();
    await server.stop();
  });

  it("are left as they are when grpc-js keeps its stream elsewhere", () => {
    const window = serverWindow();
    const call = {} as Parameters<ServerInterceptor>[1];
    expect(window.interceptor({} as Parameters<ServerInterceptor>[0], call)).toBe(call);
    expect(window.tuned()).toBe(0);
  });
});
