/** The shape of a logger. */

/** A logger shaped like pino's. In workflow code (`wf.log`) it is silent during replay. */
export interface Logger {
  debug(fields: object, message?: string): void;
  info(fields: object, message?: string): void;
  warn(fields: object, message?: string): void;
  error(fields: object, message?: string): void;
}
