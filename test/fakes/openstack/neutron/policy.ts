/**
 * Who may do what: Neutron's policy rules of 2025.1 (`neutron/conf/policies`), with the new defaults. A rule is alternatives joined by
 * `|`, each a role and, after `@`, whose role it is: of the project that owns the thing, of its network, of its parent. A test may change
 * `rules` to make a cloud stricter.
 */

import type { Fields } from "./attributes.ts";

export interface Asker {
  readonly projectId: string;
  readonly roles: ReadonlySet<string>;
}

export interface Target {
  readonly projectId: string;
  /** Owner of the network, or of the parent, where a rule asks. */
  readonly networkProjectId?: string;
  readonly parentProjectId?: string;
  readonly isShared?: boolean;
  readonly isExternal?: boolean;
  readonly fields: Fields;
}

export type Rules = Record<string, string>;

export class Policy {
  readonly rules: Rules;

  constructor(rules: Rules) {
    this.rules = { ...rules };
  }

  /** A name without a rule has Neutron's default: an administrator or the owner. */
  allows(name: string, asker: Asker, target: Target): boolean {
    const rule = this.rules[name] ?? "admin | owner";
    return rule.split("|").some((each) => matches(each.trim(), asker, target));
  }

  /**
   * Whether `action` may be done with the attributes that were said. Undefined if it may, else the rule as the server names it.
   * `said`: attributes that were given and are not the default.
   */
  problem(action: string, asker: Asker, target: Target, said: Fields): string | undefined {
    let rule = `rule:${action}`;
    let allowed = this.allows(action, asker, target);
    for (const [name, value] of Object.entries(said)) {
      const own = `${action}:${name}`;
      if (this.rules[own] === undefined) continue;
      const inner = this.#inner(own, value);
      allowed &&= [own, ...inner].every((each) => this.allows(each, asker, target));
      const parts = inner.map((each) => `rule:${each}`);
      const more = parts.length > 1 ? `(${parts.join(" and ")})` : parts[0];
      rule = `(${rule} and ${more === undefined ? `rule:${own}` : `(rule:${own} and ${more})`})`;
    }
    return allowed ? undefined : rule;
  }

  #inner(own: string, value: unknown): string[] {
    const objects = (Array.isArray(value) ? value : [value]).filter((each) => typeof each === "object" && each !== null);
    const keys = new Set(objects.flatMap((each) => Object.keys(each as object)));
    return [...keys].map((key) => `${own}:${key}`).filter((name) => this.rules[name] !== undefined);
  }
}

function matches(alternative: string, { projectId, roles }: Asker, target: Target): boolean {
  const [what = "", whose] = alternative.split("@");
  switch (what) {
    case "anybody":
      return true;
    case "owner":
      return target.projectId === projectId;
    case "shared":
      return target.isShared === true;
    case "external":
      return target.isExternal === true;
    case "not-network-device":
      return !String(target.fields.device_owner ?? "").startsWith("network:");
    case "not-wildcard":
      return target.fields.target_tenant !== "*" && target.fields.target_project !== "*";
  }
  if (!roles.has(what)) return false;
  if (whose === undefined) return true;
  const owner = whose === "network" ? target.networkProjectId : whose === "parent" ? target.parentProjectId : target.projectId;
  return owner === projectId;
}
