/** A tenant whose bytes change from round to round, and what is seen of it in its cloud by itself: nothing of ours stays, nothing foreign goes. */

import { contentsOf, differencesOf, noise, type SmallTenant, temporariesLeft } from "../../harness/tenant.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
/** Kinds that the tenant consists of, or that are made on the way. */
const KINDS = ["snapshot", "volume", "image", "container", "object"];
/** New images in so many rounds; then there are enough. */
const IMAGES = 3;

export class TenantLife {
  readonly #tenant: SmallTenant;
  readonly #mark: number;
  #contents: ReadonlyMap<string, string>;

  constructor(tenant: SmallTenant) {
    this.#tenant = tenant;
    this.#mark = tenant.cloud.journal.mark();
    this.#contents = contentsOf(tenant.cloud, tenant.sourceId);
  }

  /** What is to be backed up now. */
  get contents(): ReadonlyMap<string, string> {
    return this.#contents;
  }

  /** Changes some of everything. */
  async change(round: number, next: (below: number) => number): Promise<void> {
    const { cloud, sourceId: project, volumeIds } = this.#tenant;
    const label = `round ${round}, ${next(2 ** 30)}`;
    for (const [n, id] of volumeIds.entries())
      cloud.seed.writeVolume(id, next(6) * MIB, noise(`${label}, volume ${n}`, 64 * KIB + next(MIB)));
    const object = (name: string) =>
      cloud.seed.object({ project, container: "files", name, bytes: noise(`${label}, ${name}`, next(200 * KIB)) });
    object(`dir 0/ümlaut-${next(30)}`);
    object(`new/${round}`);
    if (round <= IMAGES)
      await cloud.seed.image({ project, name: `image of round ${round}`, bytes: noise(label, MIB + next(MIB)) });
    this.#contents = contentsOf(cloud, project);
  }

  /** What a restore of these contents into the target came to. */
  restoredWrong(contents: ReadonlyMap<string, string>): string[] {
    return differencesOf(contents, contentsOf(this.#tenant.cloud, this.#tenant.targetId));
  }

  /** Temporary objects that are there at the moment. */
  temporaries(): string[] {
    return temporariesLeft(this.#tenant);
  }

  /** I6, once every restore has been taken back. */
  traces(): string[] {
    const { cloud, sourceId } = this.#tenant;
    const { journal } = cloud;
    const of = (what: string, kind: string, ids: readonly string[]) =>
      ids.length === 0 ? [] : [`${kind}s ${what}: ${ids.slice(0, 5).join(", ")}${ids.length > 5 ? " and more" : ""}`];
    return [
      ...KINDS.flatMap((kind) => of("of ours left in the cloud", kind, journal.leaked(kind, this.#mark))),
      ...KINDS.flatMap((kind) => of("that were not ours deleted", kind, journal.foreignDeleted(kind, this.#mark))),
      ...differencesOf(this.#contents, contentsOf(cloud, sourceId)).map((line) => `the source was touched: ${line}`),
    ];
  }
}
