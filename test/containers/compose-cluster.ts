/**
 * The cluster of `deploy/compose.yaml` from the image of `deploy/Dockerfile`, service by service through testcontainers, on a network of its
 * own: what is tried is what a user starts. Services can be killed, started again and cut off from the others. Everything is removed by `stop`.
 */

import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  GenericContainer,
  getContainerRuntimeClient,
  Network,
  type StartedNetwork,
  type StartedTestContainer,
} from "testcontainers";
import { type ComposeService, readComposeFile } from "./compose-file.ts";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const IMAGE = "permafrost";
const WAITS_FOR_NOTHING = "setup";

/** With Compose's own restart policy: a role that ends because what it needs is not there yet is started again. */
class Restarting extends GenericContainer {
  constructor(image: string, policy: string | undefined) {
    super(image);
    if (policy !== undefined) this.hostConfig.RestartPolicy = { Name: policy };
  }
}

export interface Said {
  readonly exitCode: number;
  readonly output: string;
}

export class ComposeCluster {
  readonly #network: StartedNetwork;
  readonly #containers = new Map<string, StartedTestContainer>();
  readonly #volumes = new Set<string>();

  private constructor(network: StartedNetwork) {
    this.#network = network;
  }

  /** Builds the image. This machine's own further authorities (NODE_EXTRA_CA_CERTS) are trusted in it, as its README describes. */
  static async build(): Promise<void> {
    const authorities = process.env.NODE_EXTRA_CA_CERTS;
    if (authorities !== undefined) await copyFile(authorities, join(ROOT, "deploy/ca-certificates/host.crt"));
    await GenericContainer.fromDockerfile(ROOT, "deploy/Dockerfile").build(IMAGE, { deleteOnExit: false });
  }

  /** All services but those of a profile, which are the command line: that one sleeps, to be called by `cli`. */
  static async start(cloudsFile: string): Promise<ComposeCluster> {
    const cluster = new ComposeCluster(await new Network().start());
    const services = await readComposeFile(join(ROOT, "deploy/compose.yaml"));
    const setup = services.get(WAITS_FOR_NOTHING);
    if (setup === undefined) throw new Error("deploy/compose.yaml has no service setup");
    await cluster.#start(WAITS_FOR_NOTHING, setup, cloudsFile);
    await cluster.#ended(WAITS_FOR_NOTHING);
    for (const [name, service] of services) {
      if (name === WAITS_FOR_NOTHING) continue;
      const sleeping = { ...service, entrypoint: ["sleep", "infinity"] };
      await cluster.#start(name, name === "cli" ? sleeping : service, cloudsFile);
    }
    return cluster;
  }

  async stop(): Promise<void> {
    const client = await getContainerRuntimeClient();
    const { dockerode } = client.container;
    for (const one of this.#containers.values()) await dockerode.getContainer(one.getId()).remove({ force: true, v: true });
    await this.#network.stop();
    for (const name of this.#volumes) await dockerode.getVolume(name).remove({ force: true });
  }

  /** A command in the container of a service; of `cli` by default. */
  async run(command: readonly string[], service = "cli"): Promise<Said> {
    const { exitCode, output } = await this.#container(service).exec([...command]);
    return { exitCode, output };
  }

  async cli(...args: readonly string[]): Promise<Said> {
    return await this.run(["permafrost", ...args]);
  }

  async kill(service: string): Promise<void> {
    await (await this.#docker(service)).kill({ signal: "SIGKILL" });
  }

  /** After `kill`. */
  async again(service: string): Promise<void> {
    await (await this.#docker(service)).start();
  }

  /** Takes the service off the network, without a word to anybody. */
  async cut(service: string): Promise<void> {
    const { container } = await getContainerRuntimeClient();
    await container.dockerode
      .getNetwork(this.#network.getId())
      .disconnect({ Container: this.#container(service).getId(), Force: true });
  }

  async heal(service: string): Promise<void> {
    const { container } = await getContainerRuntimeClient();
    const EndpointConfig = { Aliases: [service] };
    await container.dockerode
      .getNetwork(this.#network.getId())
      .connect({ Container: this.#container(service).getId(), EndpointConfig });
  }

  async #start(name: string, service: ComposeService, cloudsFile: string): Promise<void> {
    const binds = (service.volumes ?? []).map((text) => {
      if (text.startsWith("$")) return { source: cloudsFile, target: "/etc/openstack/clouds.yaml", mode: "ro" as const };
      const [volume = "", target = "", mode] = text.split(":");
      const source = `${this.#network.getName()}-${volume}`;
      this.#volumes.add(source);
      return { source, target, mode: mode === "ro" ? ("ro" as const) : ("rw" as const) };
    });
    const container = new Restarting(service.image, service.restart)
      .withNetwork(this.#network)
      .withNetworkAliases(name)
      .withEnvironment({ ...service.environment })
      .withBindMounts(binds)
      .withAutoRemove(false);
    if (service.entrypoint !== undefined) container.withEntrypoint([...service.entrypoint]);
    if (service.command !== undefined) container.withCommand([...service.command]);
    this.#containers.set(name, await container.start());
  }

  async #ended(service: string): Promise<void> {
    const { StatusCode } = (await (await this.#docker(service)).wait()) as { StatusCode: number };
    if (StatusCode !== 0) throw new Error(`${service} ended with ${StatusCode}`);
  }

  #container(service: string): StartedTestContainer {
    const container = this.#containers.get(service);
    if (container === undefined) throw new Error(`no service ${service}`);
    return container;
  }

  async #docker(service: string) {
    return (await getContainerRuntimeClient()).container.getById(this.#container(service).getId());
  }
}
