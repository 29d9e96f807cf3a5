/**
 * Resources that take their time: `creating`, `downloading`, `uploading`, `saving`, `deleting`.
 *
 * A transition is a list of steps over one or more subjects (an upload moves a volume and an image together). A step
 * runs when a subject has been polled `polls` times and `ms` have passed since the step before. With `polls` 0 time
 * alone moves it, seen at the next request that touches the subject. A subject may be frozen for some polls or for ever.
 */

import type { Clock } from "@permafrost/std";

export interface Pace {
  /** Polls that still show the transitional state. */
  readonly polls: number;
  readonly ms: number;
}

type Step = () => void | Promise<void>;

interface Transition {
  readonly subjects: readonly string[];
  readonly steps: Step[];
  polls: number;
  sinceMs: number;
  busy: boolean;
}

export class Transitions {
  readonly #clock: Clock;
  readonly #frozen = new Map<string, number>();
  #active: Transition[] = [];
  pace: Pace;

  constructor(clock: Clock, pace: Pace) {
    this.#clock = clock;
    this.pace = pace;
  }

  start(subjects: readonly string[], steps: readonly Step[]): void {
    this.#active.push({ subjects, steps: [...steps], polls: 0, sinceMs: this.#clock.monotonic(), busy: false });
  }

  /** A client asked for the state of `id`: count it, and move on when it is time. */
  async poll(id: string): Promise<void> {
    const left = this.#frozen.get(id);
    if (left !== undefined) {
      if (left <= 1) this.#frozen.delete(id);
      else this.#frozen.set(id, left - 1);
      return;
    }
    for (const transition of this.#of(id)) {
      transition.polls++;
      await this.#advance(transition);
    }
  }

  /** Another request touches `id`: time may have moved it, though nobody polled. */
  async settle(id: string): Promise<void> {
    if (this.#frozen.has(id)) return;
    for (const transition of this.#of(id)) if (this.pace.polls === 0) await this.#advance(transition);
  }

  /** Shows the state `id` has now for `polls` more polls; Infinity is for ever. */
  freeze(id: string, polls: number): void {
    this.#frozen.set(id, polls);
  }

  thaw(id: string): void {
    this.#frozen.delete(id);
  }

  isFrozenForEver(id: string): boolean {
    return this.#frozen.get(id) === Number.POSITIVE_INFINITY;
  }

  /** Forgets what `id` was to become, as when a crash of the service leaves it in its transitional state. */
  abandon(id: string): void {
    this.#active = this.#active.filter((transition) => !transition.subjects.includes(id));
  }

  /** Runs everything that is under way to its end, frozen or not; for tests that inspect without polling. */
  async finishAll(): Promise<void> {
    this.#frozen.clear();
    for (let next = this.#active.shift(); next !== undefined; next = this.#active.shift()) {
      for (const step of next.steps) await step();
    }
  }

  #of(id: string): Transition[] {
    return this.#active.filter((transition) => transition.subjects.includes(id));
  }

  async #advance(transition: Transition): Promise<void> {
    if (transition.busy || transition.subjects.some((subject) => this.#frozen.has(subject))) return;
    if (transition.polls <= this.pace.polls && this.pace.polls > 0) return;
    if (this.#clock.monotonic() - transition.sinceMs < this.pace.ms) return;
    transition.busy = true;
    try {
      await transition.steps.shift()?.();
    } finally {
      transition.busy = false;
      transition.polls = 0;
      transition.sinceMs = this.#clock.monotonic();
      if (transition.steps.length === 0) this.#active = this.#active.filter((other) => other !== transition);
    }
  }
}
