/** What is needed to reach one cloud as one user: the result of reading clouds.yaml or the environment. Holds secrets: never log it. */

/** How to prove who we are. `label` names user or credential for messages and holds no secret. */
export type Credential =
  | {
      readonly kind: "password";
      readonly label: string;
      readonly user: { readonly id: string } | ({ readonly name: string } & DomainRef);
      readonly password: string;
    }
  | { readonly kind: "token"; readonly label: string; readonly token: string }
  | {
      readonly kind: "applicationCredential";
      readonly label: string;
      readonly credential:
        | { readonly id: string }
        | { readonly name: string; readonly user: { readonly id: string } | ({ readonly name: string } & DomainRef) };
      readonly secret: string;
    };

export type DomainRef = { readonly domainId: string } | { readonly domainName: string };

/** A project as a person names it. `nameOrId` is tried as a name in `domain` first, then as an id. */
export type ProjectRef =
  | { readonly id: string }
  | ({ readonly name: string } & DomainRef)
  | ({ readonly nameOrId: string } & DomainRef);

export type Scope =
  | { readonly kind: "project"; readonly project: ProjectRef }
  | { readonly kind: "domain"; readonly domain: DomainRef }
  | { readonly kind: "system" }
  | { readonly kind: "unscoped" };

export type EndpointInterface = "public" | "internal" | "admin";

export interface CloudConfig {
  /** The cloud's name in clouds.yaml, or `envvars`. */
  readonly name: string;
  /** Keystone's URL with its `/v3` and without a trailing slash. */
  readonly authUrl: string;
  readonly credential: Credential;
  /** An application credential carries its own project: scope is then `unscoped`. */
  readonly scope: Scope;
  readonly regionName?: string | undefined;
  readonly interface: EndpointInterface;
  /** False only when the user turned certificate checks off. */
  readonly verify: boolean;
  /** PEM texts, already read. */
  readonly caCertificate?: string | undefined;
  readonly clientCertificate?: string | undefined;
  readonly clientKey?: string | undefined;
  /** Service type (dashes) to URL: `image_endpoint_override` in clouds.yaml. */
  readonly endpointOverrides: Readonly<Record<string, string>>;
}
