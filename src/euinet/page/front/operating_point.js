// What one alpha does on a test record. Pure functions, the same as euinet.test_record.operating; a test compares
// the two, to the last image.
//
// Words: a record is what GET /v1/record gives, opened by `openRecord`. An image is rejected where its ood_score
// is above the threshold of its best class. α is taken as written: 0.1 is one tenth.

export const LARGEST_ALPHA = 0.49;
const PER = 1000; // images that a cost is told for

export function openRecord(json) {
  const score = floats(json.ood_score);
  const record = { ...json, score, best: json.best_class, truth: json.true_class, ranges: ranges(json.groups) };
  record.basis = json.calibration === null ? standIn(record) : calibration(json);
  return record;
}

// Base64 of float32, little endian.
export function floats(text) {
  const bytes = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Float32Array.from({ length: bytes.length / 4 }, (_, at) => view.getFloat32(4 * at, true));
}

function ranges(groups) {
  let start = 0;
  return groups.map((group) => ({ ...group, start, end: (start += group.images) }));
}

function calibration(json) {
  const { ood_score, answers, per_class } = json.calibration;
  return byClass(floats(ood_score), answers, per_class, json.class_names.length, "calibration");
}

// Without calibration scores the known test images set the thresholds themselves, and promise nothing.
function standIn(record) {
  const { start, end } = record.ranges[0];
  const scores = record.score.slice(start, end);
  return byClass(scores, record.best.slice(start, end), false, record.class_names.length, "test");
}

function byClass(scores, answers, perClass, classes, kind) {
  const parts = perClass ? Array.from({ length: classes }, () => []) : [Array.from(scores)];
  if (perClass) scores.forEach((score, at) => parts[answers[at]].push(score));
  const ordered = parts.map((part) => Float32Array.from(part).sort());
  return { kind, perClass, ordered, fewest: Math.min(...ordered.map((part) => part.length)) };
}

// α as a fraction of whole numbers, exactly as it is written.
function fraction(alpha) {
  const [digits, exponent = "0"] = String(alpha).toLowerCase().split("e");
  const [whole, part = ""] = digits.split(".");
  const power = Number(exponent) - part.length;
  const top = BigInt(whole + part);
  return power >= 0 ? [top * 10n ** BigInt(power), 1n] : [top, 10n ** BigInt(-power)];
}

// ⌊α(n+1)⌋: with so many of the n calibration images above it, or equal, a score is rejected.
export function allowed(alpha, images) {
  const [top, bottom] = fraction(alpha);
  return Number((top * BigInt(images + 1)) / bottom);
}

// The threshold of each class's ood_score; null where the images are too few for α.
export function thresholds(basis, alpha, classes) {
  const found = basis.ordered.map((scores) => {
    const rank = scores.length + 1 - allowed(alpha, scores.length);
    return rank > scores.length ? null : scores[rank - 1];
  });
  if (found.includes(null)) return null;
  return basis.perClass ? found : Array(classes).fill(found[0]);
}

const counted = (count, total) => ({ count, total, share: total ? count / total : null });

// What happens at α; null where the images are too few for it.
export function operatingPoint(record, alpha) {
  const limits = thresholds(record.basis, alpha, record.class_names.length);
  if (limits === null) return null;
  const rejected = (at) => record.score[at] > limits[record.best[at]];
  const [known, ...unknown] = record.ranges;
  const rows = record.class_names.map((name) => ({ name, images: 0, rejected: 0, right: 0 }));
  for (let at = known.start; at < known.end; at += 1) {
    const row = rows[record.truth[at]];
    row.images += 1;
    if (rejected(at)) row.rejected += 1;
    else if (record.best[at] === record.truth[at]) row.right += 1;
  }
  const sum = (key) => rows.reduce((total, row) => total + row[key], 0);
  const accepted = sum("images") - sum("rejected");
  const caught = {};
  for (const group of unknown) {
    let count = 0;
    for (let at = group.start; at < group.end; at += 1) count += rejected(at);
    caught[group.name] = counted(count, group.images);
  }
  return {
    alpha,
    thresholds: limits,
    coverage: counted(accepted, sum("images")),
    accuracy: counted(sum("right"), accepted),
    rejected: caught,
    per_class: rows.map((row) => ({
      name: row.name,
      rejected: counted(row.rejected, row.images),
      right: counted(row.right, row.images - row.rejected),
    })),
  };
}

// The expected cost of 1,000 images, u = unknown_share of them unknown; null where the record cannot tell.
// 1000 · ((1 − u) · (c_reject · P(rejected | known) + c_wrong · P(accepted, wrong | known))
//   + u · c_accept · P(accepted | unknown)). Unknowns are like the groups named, each as likely as another.
export function expectedCost(point, costs, names = Object.keys(point.rejected)) {
  const known = point.coverage.total;
  const shares = names.map((name) => point.rejected[name].share);
  const u = costs.unknown_share;
  if ((!known && u < 1) || ((!shares.length || shares.includes(null)) && u > 0)) return null;
  let ofKnown = 0;
  let ofUnknown = 0;
  if (known) {
    const wrong = point.accuracy.total - point.accuracy.count;
    const rejected = known - point.coverage.count;
    ofKnown = (costs.rejected_known * rejected + costs.wrong_answer * wrong) / known;
  }
  if (shares.length) {
    const missed = shares.reduce((total, share) => total + (1 - share), 0) / shares.length;
    ofUnknown = costs.accepted_unknown * missed;
  }
  return PER * ((1 - u) * ofKnown + u * ofUnknown);
}

// The alphas of two digits, ascending, that so many calibration images can promise.
export function alphaGrid(images) {
  const [largest, per] = fraction(LARGEST_ALPHA);
  const found = [];
  for (let exponent = -8; exponent < -1; exponent += 1) {
    for (let digits = 10; digits < 100; digits += 1) {
      const scale = 10n ** BigInt(-exponent);
      const enough = BigInt(digits) * BigInt(images + 1) >= scale;
      if (enough && BigInt(digits) * per <= largest * scale) found.push(Number(`${digits}e${exponent}`));
    }
  }
  return found;
}

// { alpha, cost } of the grid's point that costs least, the smallest where several do; null where none can be told.
export function leastCost(points, costs, names) {
  let best = null;
  for (const point of points) {
    const cost = expectedCost(point, costs, names);
    if (cost !== null && (best === null || cost < best.cost)) best = { alpha: point.alpha, cost };
  }
  return best;
}

// Whether an image of this p-value is rejected at α, by the count that the p-value stands for: k/(n+1).
export function rejectedAt(pValue, alpha, images) {
  if (pValue === null) return null;
  return Math.round(pValue * (images + 1)) <= allowed(alpha, images);
}
