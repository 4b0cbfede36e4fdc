// Whether what the model says of ONE image is an answer, as model/sound.py asks: numbers that follow from each
// other. No comparison with NaN is true, so what is no number would pass for a known class.

const ADDED_UP = 1e-3;

// What is wrong with the outputs of the exported model, in words; null: nothing.
export function unsound(found, { threshold, class_names: names }) {
  const numbers = Object.values(found).filter((values) => values instanceof Float32Array);
  if (!numbers.every((values) => values.every(Number.isFinite))) return "a number in it is not finite";
  const [label, best, p] = [found.label[0], found.best_class[0], found.p_value[0]];
  if (names[best] === undefined) return "it names a class that it lacks";
  const shares = found.probabilities;
  if (shares.some((share) => share < 0) || Math.abs(shares.reduce((sum, share) => sum + share, 0) - 1) > ADDED_UP)
    return "its probabilities do not add up to 1";
  const over = found.ood_score[0] > Math.fround(Array.isArray(threshold) ? threshold[best] : threshold);
  if (label !== (over ? -1 : best)) return "its label does not follow from its score";
  return p > 0 && p <= 1 ? null : "its p-value is no share of the calibration images";
}
