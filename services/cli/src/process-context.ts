/** The CliContext of this process: the only file of the CLI that touches `process` and the terminal. */

import { homedir } from "node:os";
import { CodedError, systemClock } from "@permafrost/std";
import type { CliContext, Output } from "./context.ts";

export function processContext(): CliContext {
  return {
    env: process.env,
    cwd: process.cwd(),
    home: homedir(),
    stdin: process.stdin,
    stdinIsTerminal: process.stdin.isTTY === true,
    stdout: streamOutput(process.stdout, (cause) => {
      throw new CodedError("OUTPUT_FAILED", `Cannot write to standard output: ${cause.code ?? cause.message}`, { cause });
    }),
    // Nobody is left to tell.
    stderr: streamOutput(process.stderr, () => {}),
    clock: systemClock,
    // gRPC and the prompts are loaded when they are used: help, completion and errors must be quick.
    connect: async (endpoint) => (await import("./connect.ts")).connectCluster(endpoint),
    isHealthy: async (address) => (await import("./connect.ts")).isServing(address),
    askSecret: async (message) => {
      const { cancel, isCancel, password } = await import("@clack/prompts");
      // On standard error: standard output may be a pipe that wants only data.
      const answer = await password({ message, output: process.stderr });
      if (isCancel(answer)) cancel("Given up", { output: process.stderr });
      return isCancel(answer) ? undefined : answer;
    },
    confirm: async (message) => {
      const { confirm, isCancel } = await import("@clack/prompts");
      const answer = await confirm({ message, initialValue: false, output: process.stderr });
      return isCancel(answer) ? undefined : answer;
    },
    onInterrupt: (handler) => {
      process.on("SIGINT", handler);
      process.on("SIGTERM", handler);
      return () => {
        process.off("SIGINT", handler);
        process.off("SIGTERM", handler);
      };
    },
    leave: (code) => process.exit(code),
  };
}

function streamOutput(stream: NodeJS.WriteStream, onFailure: (cause: NodeJS.ErrnoException) => void): Output {
  let isClosed = false;
  // Each write tells its own failure; without a listener the stream would throw it a second time.
  stream.on("error", () => {});
  return {
    isClosed: () => isClosed,
    isTerminal: stream.isTTY === true,
    columns: () => stream.columns || 80,
    write: async (data) => {
      if (isClosed) return;
      try {
        await new Promise<void>((resolve, reject) => {
          stream.write(data, (error) => (error ? reject(error) : resolve()));
        });
      } catch (error) {
        const cause = error as NodeJS.ErrnoException;
        // A reader that closes the pipe early (`| head`) is no error: the command goes on to its own end and code.
        isClosed = cause.code === "EPIPE";
        if (!isClosed) onFailure(cause);
      }
    },
  };
}
