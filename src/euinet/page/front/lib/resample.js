// The square that a model reads, cut out of an image as images/square.py does it: to the very pixel.
//
// One resampling of the centre, by Pillow's filters with antialiasing: a filter grows as wide as the image
// shrinks; each pass in fixed point, rounded to 8 bits. Which pass comes first is what Pillow 13 does (found by
// trying it; before, it was always across): where it differs, a few pixels are off by some levels. (Pillow: src/libImaging/Resample.c)

const ONE = 2 ** 22; // of the weights' fixed point

// Each filter's reach and what it is at a distance.
const FILTERS = {
  bilinear: { reach: 1, at: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: { reach: 2, at: (x) => cubic(Math.abs(x)) },
  lanczos: { reach: 3, at: (x) => (Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

// `values`: Uint8Array of width × height, one channel. `size`: pixels a side of what is returned, a Uint8Array.
// `shorter_side`: what the image's shorter side becomes before the centre is kept; by default `size`.
// An image of that size already stays as it is.
export function square(values, width, height, { size, shorter_side: shorter = size, interpolation = "bilinear" }) {
  if (width === size && height === size) return values;
  if (!Object.hasOwn(FILTERS, interpolation)) throw new Error(`there is no interpolation ${interpolation}`);
  const side = Math.min(width, height) * (size / shorter);
  const across = windows((width - side) / 2, side, width, size, FILTERS[interpolation]);
  const down = windows((height - side) / 2, side, height, size, FILTERS[interpolation]);
  if (height > size && height - size > 2 * (width - size)) {
    const [left, columns] = covered(across);
    const between = shrunkDown(values.subarray(left), width, columns, down);
    return shrunkAcross(between, columns, size, moved(across, left));
  }
  const [top, rows] = covered(down);
  const between = shrunkAcross(values.subarray(top * width), width, rows, across);
  return shrunkDown(between, size, size, moved(down, top));
}

// `rows` rows, each `stride` after the one before, become as wide as there are windows.
function shrunkAcross(values, stride, rows, across) {
  const size = across.length;
  const found = new Uint8Array(rows * size);
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < size; x++) found[y * size + x] = weighed(values, y * stride + across[x].first, 1, across[x]);
  }
  return found;
}

// `columns` columns of rows that lie `stride` apart become as high as there are windows.
function shrunkDown(values, stride, columns, down) {
  const found = new Uint8Array(down.length * columns);
  down.forEach((window, y) => {
    for (let x = 0; x < columns; x++) {
      found[y * columns + x] = weighed(values, window.first * stride + x, stride, window);
    }
  });
  return found;
}

function weighed(values, start, step, { weights }) {
  let sum = ONE / 2; // rounds; all sums are whole and below 2⁵³, so nothing is lost
  for (let at = 0; at < weights.length; at++) sum += values[start + at * step] * weights[at];
  return Math.min(255, Math.max(0, Math.floor(sum / ONE)));
}

// Where all windows together begin, and how many old pixels they cover.
function covered(all) {
  const last = all.at(-1);
  return [all[0].first, last.first + last.weights.length - all[0].first];
}

function moved(all, by) {
  return all.map(({ first, weights }) => ({ first: first - by, weights }));
}

// For each new pixel the first old one that it is made of, and their weights. The box is float32 in Pillow.
function windows(start, length, limit, size, { reach, at }) {
  const from = Math.fround(start);
  const scale = Math.fround(Math.fround(start + length) - from) / size;
  const wide = Math.max(scale, 1);
  return Array.from({ length: size }, (_, place) => {
    const centre = from + (place + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - reach * wide + 0.5));
    const end = Math.min(limit, Math.trunc(centre + reach * wide + 0.5));
    const raw = Array.from({ length: end - first }, (_, step) => at((step + first - centre + 0.5) * (1 / wide)));
    const sum = raw.reduce((a, b) => a + b, 0);
    return { first, weights: Float64Array.from(raw, (weight) => fixed(weight / sum)) };
  });
}

function fixed(weight) {
  return Math.trunc(weight * ONE + (weight < 0 ? -0.5 : 0.5));
}

// Keys's cubic convolution with a = −0.5.
function cubic(x) {
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0;
}

function sinc(x) {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}
