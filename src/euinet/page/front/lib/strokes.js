// Drawings of our own, as strokes in a unit square: what the example buttons replay on the canvas.

// Points that a smooth curve passes through; a stroke is one such list.
const DIGITS = {
  0: [[[0.52, 0.2], [0.36, 0.27], [0.29, 0.5], [0.36, 0.73], [0.52, 0.8], [0.66, 0.7], [0.71, 0.48], [0.65, 0.28], [0.52, 0.2]]],
  1: [[[0.54, 0.18], [0.52, 0.4], [0.5, 0.62], [0.48, 0.83]]],
  2: [[[0.31, 0.35], [0.38, 0.22], [0.53, 0.19], [0.66, 0.28], [0.64, 0.44], [0.48, 0.62], [0.32, 0.78]],
      [[0.32, 0.78], [0.5, 0.77], [0.73, 0.79]]],
  3: [[[0.33, 0.25], [0.48, 0.18], [0.64, 0.25], [0.62, 0.41], [0.46, 0.48]],
      [[0.46, 0.48], [0.63, 0.53], [0.68, 0.67], [0.56, 0.8], [0.42, 0.82], [0.31, 0.75]]],
  4: [[[0.37, 0.2], [0.33, 0.38], [0.31, 0.54]], [[0.31, 0.54], [0.5, 0.53], [0.71, 0.5]],
      [[0.63, 0.22], [0.61, 0.5], [0.58, 0.83]]],
  5: [[[0.68, 0.2], [0.55, 0.2], [0.4, 0.21]], [[0.4, 0.21], [0.38, 0.33], [0.36, 0.46]],
      [[0.36, 0.46], [0.52, 0.43], [0.66, 0.53], [0.65, 0.7], [0.5, 0.81], [0.33, 0.76]]],
  6: [[[0.6, 0.18], [0.44, 0.33], [0.35, 0.54], [0.37, 0.73], [0.5, 0.82], [0.64, 0.75], [0.66, 0.61], [0.54, 0.52], [0.4, 0.58], [0.36, 0.68]]],
  7: [[[0.3, 0.24], [0.5, 0.23], [0.71, 0.21]], [[0.71, 0.21], [0.6, 0.45], [0.52, 0.64], [0.46, 0.83]]],
  8: [[[0.6, 0.29], [0.49, 0.19], [0.37, 0.27], [0.41, 0.42], [0.56, 0.54], [0.65, 0.68], [0.55, 0.81], [0.4, 0.77], [0.37, 0.63], [0.48, 0.5], [0.61, 0.39], [0.62, 0.27], [0.55, 0.21]]],
  9: [[[0.65, 0.33], [0.55, 0.2], [0.4, 0.24], [0.34, 0.38], [0.43, 0.49], [0.57, 0.45], [0.65, 0.33]],
      [[0.65, 0.33], [0.63, 0.52], [0.59, 0.68], [0.55, 0.84]]],
};

const HOUSE = [[[0.24, 0.48], [0.24, 0.82]], [[0.24, 0.82], [0.76, 0.82]], [[0.76, 0.82], [0.76, 0.48]],
               [[0.76, 0.48], [0.24, 0.48]], [[0.24, 0.48], [0.5, 0.18]], [[0.5, 0.18], [0.76, 0.48]],
               [[0.44, 0.82], [0.44, 0.62]], [[0.44, 0.62], [0.56, 0.62]], [[0.56, 0.62], [0.56, 0.82]]];
const LETTER = [[[0.5, 0.18], [0.4, 0.5], [0.28, 0.82]], [[0.5, 0.18], [0.6, 0.5], [0.72, 0.82]],
                [[0.36, 0.6], [0.5, 0.6], [0.65, 0.6]]];

export const digitStrokes = (digit) => curves(DIGITS[digit]);

// What can be tried with a model: { kind, name, note, strokes }, or noise: true in place of strokes. What is
// near to a model of other things than digits cannot be drawn here; its nearest training images can be chosen.
export function examples(model) {
  const known = firstOf(["3", "5", "2"], model.class_names) ?? model.class_names.find((name) => Object.hasOwn(DIGITS, name));
  const unseen = model.held_out.find((name) => Object.hasOwn(DIGITS, name));
  const found = [];
  if (known !== undefined) {
    found.push({ kind: "known", name: `A ${known}`, note: "known", strokes: digitStrokes(known) });
  }
  if (unseen !== undefined) {
    found.push({ kind: "near", name: `A ${unseen}`, note: "near unknown", strokes: digitStrokes(unseen) });
  } else if (known !== undefined) {
    found.push({ kind: "near", name: "An A", note: "near unknown", strokes: curves(LETTER) });
  }
  found.push({ kind: "far", name: "A house", note: "far unknown", strokes: curves(HOUSE) });
  found.push({ kind: "noise", name: "Noise", note: "no image", noise: true });
  return found;
}

// Independent pixels, other ones each time.
export function noise(model) {
  const shape = [model.channels, model.image_size, model.image_size];
  const pixels = new Uint8Array(shape[0] * shape[1] * shape[2]);
  for (let at = 0; at < pixels.length; at++) pixels[at] = Math.floor(Math.random() * 256);
  return { pixels, shape };
}

function firstOf(wanted, names) {
  return wanted.find((name) => names.includes(name));
}

function curves(strokes) {
  return strokes.map((points) => (points.length > 2 ? spline(points) : straight(points)));
}

function straight([[x0, y0], [x1, y1]], steps = 12) {
  return Array.from({ length: steps + 1 }, (_, at) => {
    const share = at / steps;
    return [x0 + share * (x1 - x0), y0 + share * (y1 - y0)];
  });
}

// Catmull and Rom's curve: it passes through all points, and its ends are straight on.
function spline(points, steps = 8) {
  const at = (index) => points[Math.min(Math.max(index, 0), points.length - 1)];
  const found = [points[0]];
  for (let index = 0; index + 1 < points.length; index++) {
    const [before, from, to, after] = [at(index - 1), at(index), at(index + 1), at(index + 2)];
    for (let step = 1; step <= steps; step++) found.push(between(before, from, to, after, step / steps));
  }
  return found;
}

function between(before, from, to, after, t) {
  return [0, 1].map((axis) => {
    const [a, b, c, d] = [before[axis], from[axis], to[axis], after[axis]];
    return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t * t + (3 * b - a - 3 * c + d) * t ** 3);
  });
}
