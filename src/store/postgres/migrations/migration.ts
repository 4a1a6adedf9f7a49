/**
 * A numbered change of the schema. Once released its text never changes: databases remember its checksum. `@` stands for the
 * quoted name of the schema.
 */
export interface Migration {
  readonly number: number;
  readonly name: string;
  readonly sql: string;
}
