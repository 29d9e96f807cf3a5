/** `permafrost up`: the whole cluster on this machine, until Ctrl-C. */

import { access } from "node:fs/promises";
import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { EXIT } from "../exit-codes.ts";
import { usageError } from "../failure.ts";
import { wholeNumber, withOutput } from "../options.ts";
import type { Column } from "../output/column.ts";
import { unreadable } from "../settings.ts";
import type { Bind } from "./command.ts";

interface UpFlags {
  readonly workers: number;
  readonly listen?: string;
  readonly osConfig?: string;
  readonly logLevel: string;
}

export function addUpCommand(program: Command, bind: Bind): void {
  const up = program
    .command("up")
    .description("run coordinator, storage node, workers and nats-server on this machine, until Ctrl-C")
    .option("--data <dir>", "directory for everything it keeps (PERMAFROST_DATA; default: the user's state directory)")
    .option("--workers <count>", "worker processes", wholeNumber(1), 1)
    .option("--listen <host:port>", "where the coordinator listens; default: 127.0.0.1 and a free port")
    .option("--os-config <file>", "clouds.yaml of the workers; default: where the OpenStack client looks")
    .addOption(
      new Option("--log-level <level>", "of the roles' log files").choices(["debug", "info", "warn", "error"]).default("info"),
    )
    .addHelpText("after", "\nExample:\n  permafrost up --data ~/permafrost --os-config ~/.config/openstack/clouds.yaml");
  bind(withOutput(up), UP_COLUMNS, async (run) => {
    const flags = up.opts<UpFlags>();
    const { context, settings } = run;
    if (flags.listen !== undefined && !LOOPBACK.test(flags.listen)) {
      throw usageError(
        `\`up\` listens on loopback only, not on ${flags.listen}`,
        "Beyond it every role needs mutual TLS: start them one by one with configuration files, as the README shows.",
      );
    }
    const osConfigFile = flags.osConfig === undefined ? undefined : resolve(context.cwd, flags.osConfig);
    if (osConfigFile !== undefined) await access(osConfigFile).catch((cause) => Promise.reject(unreadable(osConfigFile, cause)));
    // Loaded here: no other command needs child processes and NATS.
    const { startCluster } = await import("../up/up.ts");
    const interrupted = new Promise<void>((done) => run.interrupts.handle(done));
    await run.note(`Starting in ${settings.dataDirectory} …`);
    const cluster = await startCluster({
      dataDirectory: settings.dataDirectory,
      workers: flags.workers,
      logLevel: flags.logLevel,
      env: context.env,
      clock: context.clock,
      say: (text) => void run.warn(text),
      isHealthy: context.isHealthy,
      ...(flags.listen === undefined ? {} : { listen: flags.listen }),
      ...(osConfigFile === undefined ? {} : { osConfigFile }),
    });
    if (run.forMachines) await run.printRecord(cluster, UP_COLUMNS);
    else await context.stdout.write(welcome(cluster.address, settings.dataDirectory));
    await interrupted;
    await run.note("Stopping …");
    await cluster.stop();
    await run.note("Stopped.");
    return EXIT.ok;
  });
}

const UP_COLUMNS: readonly Column<{ readonly address: string; readonly clientFile: string }>[] = [
  { title: "Address", value: (row) => row.address },
  { title: "Client File", value: (row) => row.clientFile },
];

const LOOPBACK = /^(127\.\d+\.\d+\.\d+|localhost|\[::1\]):\d+$/;

function welcome(address: string, directory: string): string {
  return `Permafrost is up.
  coordinator  ${address} (gRPC)
  data         ${directory}

In another terminal:
  export PERMAFROST_DATA=${directory}
  permafrost repository init NAME
  permafrost backup --repository NAME --os-cloud CLOUD

Ctrl-C here stops everything; what is stored stays.
`;
}
