/** What a database holds of the migrations of this version. */
export interface MigrationState {
  readonly applied: readonly { readonly number: number; readonly name: string; readonly appliedAt: number }[];
  readonly pending: readonly { readonly number: number; readonly name: string }[];
}
