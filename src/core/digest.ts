/**
 * A small, fast, non-cryptographic digest of text (two 32-bit multiply-xor lanes, 50 bits out), used to notice that code
 * and history disagree. It guards against mistakes, not against adversaries.
 */

/** The digest of `text`, ten digits in base 32. `seed` chains digests. */
export function digest(text: string, seed = ""): string {
  let a = 0x2c1b3c6d ^ text.length;
  let b = 0x297a2d39 ^ seed.length;
  for (let i = 0; i < seed.length; i++) {
    const unit = seed.charCodeAt(i);
    a = Math.imul(a ^ unit, 0x9e3779b1);
    b = Math.imul(b ^ unit, 0x5f356495);
  }
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    a = Math.imul(a ^ unit, 0x9e3779b1);
    b = Math.imul(b ^ unit, 0x5f356495);
  }
  a = Math.imul(a ^ (a >>> 16), 0x85ebca6b) ^ Math.imul(b ^ (b >>> 13), 0xc2b2ae35);
  b = Math.imul(b ^ (b >>> 16), 0x85ebca6b) ^ Math.imul(a ^ (a >>> 13), 0xc2b2ae35);
  return render(a, b);
}

const DIGITS = new Uint8Array(32);
for (let i = 0; i < 32; i++) DIGITS[i] = "0123456789abcdefghijklmnopqrstuv".charCodeAt(i);

/** Fifty bits of the two lanes in base 32: much cheaper than `Number.prototype.toString`. */
function render(a: number, b: number): string {
  return String.fromCharCode(
    DIGITS[a & 31]!,
    DIGITS[(a >>> 5) & 31]!,
    DIGITS[(a >>> 10) & 31]!,
    DIGITS[(a >>> 15) & 31]!,
    DIGITS[(a >>> 20) & 31]!,
    DIGITS[b & 31]!,
    DIGITS[(b >>> 5) & 31]!,
    DIGITS[(b >>> 10) & 31]!,
    DIGITS[(b >>> 15) & 31]!,
    DIGITS[(b >>> 20) & 31]!,
  );
}
