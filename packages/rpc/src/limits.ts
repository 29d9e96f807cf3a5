/** Limits both ends of a connection agree on. */

/** A message is about 1 MiB (MESSAGE_BYTES); one block may be 1 MiB itself, so one message may carry a little more than two. */
export const MESSAGE_BYTES_MAX = 8 * 1024 * 1024;
/** HTTP/2 window of a stream: what may be under way without an answer. Times streams, it bounds the memory of a connection. */
export const STREAM_WINDOW_BYTES = 16 * 1024 * 1024;
/** HTTP/2 window of a connection. */
export const CONNECTION_WINDOW_BYTES = 32 * 1024 * 1024;
/** HTTP/2 frames as large as this; the default of 16 KiB costs a call per frame. */
export const FRAME_BYTES = 1024 * 1024;
export const UNARY_TIMEOUT_MS = 30_000;
/** A data call that has made no progress for so long has failed. */
export const STALL_TIMEOUT_MS = 120_000;
export const KEEPALIVE_MS = 20_000;
export const KEEPALIVE_TIMEOUT_MS = 10_000;
export const RECONNECT_MS = 100;
export const RECONNECT_MS_MAX = 5_000;
/** Put messages of one stream that a client has sent and no server has acknowledged. */
export const PUTS_IN_FLIGHT_MAX = 8;
/** Calls at once on one connection; more wait at the client. */
export const CALLS_PER_CONNECTION_MAX = 1_000;
