/**
 * Cancellation scopes: a tree beside the workflow's code. Cancelling a scope reaches everything in it and below it, up to scopes
 * that are uncancellable.
 */

export class Scope {
  readonly parent: Scope | undefined;
  /** False shields everything inside from cancellations further up. */
  readonly cancellable: boolean;
  /** Why this very scope was cancelled. */
  reason: string | undefined;

  constructor(parent: Scope | undefined, cancellable: boolean) {
    this.parent = parent;
    this.cancellable = cancellable;
  }

  /** Why code in this scope is cancelled, or undefined when it is not. */
  get cancelled(): string | undefined {
    for (let scope: Scope | undefined = this; scope !== undefined; scope = scope.parent) {
      if (scope.reason !== undefined) return scope.reason;
      if (!scope.cancellable) return undefined;
    }
    return undefined;
  }

  /** The nearest scope around, or this one, that no cancellation from further up goes through. */
  get shield(): Scope | undefined {
    for (let scope: Scope | undefined = this; scope !== undefined; scope = scope.parent)
      if (!scope.cancellable) return scope;
    return undefined;
  }

  /** Whether cancelling `outer` reaches this scope. */
  isReachedFrom(outer: Scope): boolean {
    for (let scope: Scope | undefined = this; scope !== undefined; scope = scope.parent) {
      if (scope === outer) return true;
      if (!scope.cancellable) return false;
    }
    return false;
  }

  /** Whether this scope is `outer` or lies inside it. */
  isWithin(outer: Scope): boolean {
    for (let scope: Scope | undefined = this; scope !== undefined; scope = scope.parent)
      if (scope === outer) return true;
    return false;
  }
}
