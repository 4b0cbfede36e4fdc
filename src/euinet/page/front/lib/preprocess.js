// From what was drawn to what the model reads.
//
// As MNIST was made (LeCun et al.): the ink's box is fitted into 20 × 20 pixels, its ratio kept, with
// antialiasing; the result is put into 28 × 28 so that its centre of mass is the field's centre.

import { Refusal } from "./refusal.js";

export const FIELD = 28;
const BOX = 20;
const INK = 8; // of 255: less is the soft edge of a stroke

// Whether a model's images are digits as MNIST has them; any other model sees the canvas as it is.
export function isLikeMnist(model) {
  return ["mnist", "digits"].includes(model.data) && model.channels === 1 && model.image_size === FIELD;
}

// `ink`: Uint8Array of size × size, 0 … 255. Returns Uint8Array (C·H·W), or null where there is no ink.
export function prepare(ink, size, model) {
  const box = boxOfInk(ink, size);
  if (box === null) return null;
  if (isLikeMnist(model)) return asMnist(ink, size, box);
  const side = model.image_size;
  const grey = resample(ink, size, { left: 0, top: 0, width: size, height: size }, side, side);
  const pixels = new Uint8Array(model.channels * side * side);
  for (let channel = 0; channel < model.channels; channel++) pixels.set(bytes(grey), channel * side * side);
  return pixels;
}

export function asMnist(ink, size, box = boxOfInk(ink, size)) {
  if (box === null) throw new Refusal("The image has no ink: nothing in it differs from its paper.", 422, null);
  const scale = BOX / Math.max(box.width, box.height);
  const width = Math.max(1, Math.round(box.width * scale));
  const height = Math.max(1, Math.round(box.height * scale));
  const small = resample(ink, size, box, width, height);
  let mass = 0;
  let across = 0;
  let down = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const value = small[y * width + x];
      mass += value;
      across += value * (x + 0.5);
      down += value * (y + 0.5);
    }
  }
  const left = Math.round(FIELD / 2 - across / mass);
  const top = Math.round(FIELD / 2 - down / mass);
  const pixels = new Uint8Array(FIELD * FIELD);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const row = top + y;
      const column = left + x;
      if (row < 0 || row >= FIELD || column < 0 || column >= FIELD) continue;
      pixels[row * FIELD + column] = Math.round(small[y * width + x]);
    }
  }
  return pixels;
}

export function boxOfInk(ink, size) {
  let [left, right, top, bottom] = [size, -1, size, -1];
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      if (ink[y * size + x] <= INK) continue;
      if (x < left) left = x;
      if (x > right) right = x;
      if (y < top) top = y;
      bottom = y;
    }
  }
  return right < 0 ? null : { left, top, width: right - left + 1, height: bottom - top + 1 };
}

// Mean over the area that each new pixel covers; Float32Array (height · width).
function resample(ink, size, box, width, height) {
  const columns = shares(box.left, box.width, width);
  const rows = shares(box.top, box.height, height);
  const found = new Float32Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (const [row, tall] of rows[y]) {
        for (const [column, wide] of columns[x]) sum += ink[row * size + column] * tall * wide;
      }
      found[y * width + x] = sum;
    }
  }
  return found;
}

// For each of `count` new pixels the old ones that it covers, with their shares, which sum to 1.
function shares(start, length, count) {
  const step = length / count;
  return Array.from({ length: count }, (_, at) => {
    const from = start + at * step;
    const to = from + step;
    const covered = [];
    for (let old = Math.floor(from); old < to - 1e-9; old++) {
      covered.push([old, (Math.min(old + 1, to) - Math.max(old, from)) / step]);
    }
    return covered;
  });
}

function bytes(values) {
  return Uint8Array.from(values, (value) => Math.round(value));
}
