/** The two calls this package makes of a logger; pino's shape. Facts never hold a secret. */

export interface CloudLogger {
  debug(facts: Readonly<Record<string, unknown>>, message: string): void;
  warn(facts: Readonly<Record<string, unknown>>, message: string): void;
}

export const silentLogger: CloudLogger = { debug: () => {}, warn: () => {} };
