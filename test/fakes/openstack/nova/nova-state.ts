/** All that the parts of the fake Nova share. */

import type { CinderState } from "../cinder-volumes.ts";
import type { Images } from "../images.ts";
import type { Identities } from "../tokens.ts";
import type { Transitions } from "../transitions.ts";
import type { Compute } from "./compute.ts";
import type { NovaNetworks } from "./ports.ts";

export interface NovaState {
  readonly compute: Compute;
  readonly cinder: CinderState;
  readonly images: Images;
  readonly identities: Identities;
  readonly transitions: Transitions;
  readonly networks: NovaNetworks;
  /** The largest page; Nova's default is 1000. */
  readonly pageSize: number;
}
