// An image file in the browser becomes what the model reads, by the same steps as images/pixels.py:
// upright, transparency on white, grey by ITU-R 601, shorter side resized (antialiased), centre square.

import { Refusal } from "./refusal.js";

const MOST_PIXELS = 50e6;

export async function readImage(file, model) {
  const { data, width, height, transparent } = await decoded(file);
  const size = model.image_size;
  const planes = model.channels === 1 ? [grey(data)] : [0, 1, 2].map((channel) => plane(data, channel));
  const pixels = new Uint8Array(model.channels * size * size);
  planes.forEach((each, at) => pixels.set(fit(each, width, height, size), at * size * size));
  return { pixels, remark: transparent ? "transparency laid on white" : null };
}

// Grey pixels of a file at its own size, at most `most` a side: { grey, width, height }.
export async function readGrey(file, most) {
  const { data, width, height } = await decoded(file, most);
  return { grey: grey(data), width, height };
}

async function decoded(file, most = Infinity) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  } catch {
    throw new Refusal(`${file.name || "The image"} is broken or no image that this browser can read.`, 422, null);
  }
  if (bitmap.width * bitmap.height > MOST_PIXELS) {
    throw new Refusal("The image has more than 50 million pixels: make it smaller.", 422, null);
  }
  const scale = Math.min(1, most / Math.max(bitmap.width, bitmap.height));
  const width = Math.max(1, Math.round(bitmap.width * scale));
  const height = Math.max(1, Math.round(bitmap.height * scale));
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const paper = canvas.getContext("2d", { willReadFrequently: true });
  paper.drawImage(bitmap, 0, 0, width, height);
  bitmap.close();
  const { data } = paper.getImageData(0, 0, width, height);
  return { data, width, height, transparent: onWhite(data) };
}

function onWhite(data) {
  let transparent = false;
  for (let at = 0; at < data.length; at += 4) {
    const alpha = data[at + 3];
    if (alpha === 255) continue;
    transparent = true;
    for (let channel = 0; channel < 3; channel++) {
      data[at + channel] = Math.round((data[at + channel] * alpha + 255 * (255 - alpha)) / 255);
    }
  }
  return transparent;
}

function grey(data) {
  const found = new Uint8Array(data.length / 4);
  for (let at = 0; at < found.length; at++) {
    const [red, green, blue] = [data[4 * at], data[4 * at + 1], data[4 * at + 2]];
    found[at] = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16;
  }
  return found;
}

function plane(data, channel) {
  return Uint8Array.from({ length: data.length / 4 }, (_, at) => data[4 * at + channel]);
}

// The centre square of a plane, size × size, as Pillow's bilinear filter with antialiasing gives it.
export function fit(values, width, height, size) {
  const side = Math.min(width, height);
  const across = filter((width - side) / 2, side, width, size);
  const down = filter((height - side) / 2, side, height, size);
  const between = new Uint8Array(height * size);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < size; x++) between[y * size + x] = weighed(values, y * width, 1, across[x]);
  }
  const found = new Uint8Array(size * size);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) found[y * size + x] = weighed(between, x, size, down[y]);
  }
  return found;
}

function weighed(values, start, step, { first, weights }) {
  let sum = 0;
  for (let at = 0; at < weights.length; at++) sum += values[start + (first + at) * step] * weights[at];
  return Math.min(255, Math.max(0, Math.floor(sum + 0.5)));
}

function filter(start, length, limit, size) {
  const scale = length / size;
  const wide = Math.max(scale, 1);
  return Array.from({ length: size }, (_, at) => {
    const centre = start + (at + 0.5) * scale;
    const first = Math.max(0, Math.floor(centre - wide + 0.5));
    const end = Math.min(limit, Math.floor(centre + wide + 0.5));
    const raw = Array.from({ length: end - first }, (_, place) =>
      Math.max(0, 1 - Math.abs((place + first - centre + 0.5) / wide)),
    );
    const sum = raw.reduce((a, b) => a + b, 0);
    return { first, weights: raw.map((weight) => weight / sum) };
  });
}
