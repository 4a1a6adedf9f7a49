/** "Did you mean …": the known word closest to one that is not known. */

/** The closest of `known`, or `undefined` when none is close. Case, hyphens and underscores do not count. */
export function closest(word: string, known: Iterable<string>): string | undefined {
  const plain = fold(word);
  const limit = plain.length < 3 ? 0 : Math.max(1, Math.floor(plain.length / 3));
  let best: string | undefined;
  let bestDistance = limit + 1;
  for (const candidate of known) {
    const distance = editDistance(plain, fold(candidate), bestDistance);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** `did you mean depends_on?`, or `undefined`. */
export function didYouMean(word: string, known: Iterable<string>): string | undefined {
  const found = closest(word, known);
  return found === undefined ? undefined : `did you mean ${found}?`;
}

function fold(word: string): string {
  return word
    .slice(0, 100)
    .toLowerCase()
    .replace(/[-_\s]/g, "");
}

/** Insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b`; gives up from `limit` on. */
export function editDistance(a: string, b: string, limit: number = Number.POSITIVE_INFINITY): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, beforeLast[j - 2]! + 1);
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}
