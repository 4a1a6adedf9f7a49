/** Sizes for people. */

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/** A size in the largest unit that fits: `512 B`, `1.5 MiB`. */
export function sizeText(bytes: number): string {
  let size = bytes;
  let unit = 0;
  while (size >= 1024 && unit < UNITS.length - 1) {
    size /= 1024;
    unit++;
  }
  const digits = unit === 0 || size >= 100 ? 0 : 1;
  return `${size.toFixed(digits)} ${UNITS[unit]}`;
}
