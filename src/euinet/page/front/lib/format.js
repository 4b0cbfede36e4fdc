// Numbers as people read them.

export const MINUS = "\u2212";

// 1234 → "1,234"
export const whole = (number) => Math.round(number).toLocaleString("en");

// Three significant digits at most, a real minus: −0.372, 0.008, 1.23e−5
export function number(value, digits = 3) {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  let text = size !== 0 && (size < 1e-4 || size >= 1e5) ? value.toExponential(digits - 1) : fixed(value, digits);
  return text.replaceAll("-", MINUS);
}

// A number as it was set: 0.004, not 0.00400
export const plain = (value) => String(value).replaceAll("-", MINUS);

function fixed(value, digits) {
  if (value === 0) return "0";
  const places = Math.max(0, digits - 1 - Math.floor(Math.log10(Math.abs(value))));
  const text = value.toFixed(Math.min(places, 8));
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

// A share 0 … 1: "97.1 %", and never "0 %" or "100 %" for what is neither.
export function percent(share, places = 1) {
  if (!Number.isFinite(share)) return "–";
  const least = 10 ** -places;
  const hundred = 100 * share;
  if (share > 0 && hundred < least / 2) return `<\u202f${least}\u202f%`;
  if (share < 1 && hundred > 100 - least / 2) return `>\u202f${(100 - least).toFixed(places)}\u202f%`;
  return `${hundred.toFixed(places)}\u202f%`;
}
