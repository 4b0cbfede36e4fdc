// An image file in the browser becomes what the model reads, by the same steps as images/pixels.py:
// upright, transparency on white, grey by ITU-R 601, the square of lib/resample.js. Two things differ: the
// browser's own decoder (its inverse cosine transform, its enlargement of a JPEG file's colours), and that it
// decodes a JPEG file whole, where a model with `draft` reads half of its cosines or less.

import { Refusal } from "./refusal.js";
import { square } from "./resample.js";

const MOST_PIXELS = 50e6;

export async function readImage(file, model) {
  const { data, width, height, transparent } = await decoded(file);
  const size = model.image_size;
  const planes = model.channels === 1 ? [grey(data)] : [0, 1, 2].map((channel) => plane(data, channel));
  const pixels = new Uint8Array(model.channels * size * size);
  const geometry = { size, ...model.preprocessing };
  planes.forEach((each, at) => pixels.set(square(each, width, height, geometry), at * size * size));
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
  const found = new Uint8Array(data.length / 4);
  for (let at = 0; at < found.length; at++) found[at] = data[4 * at + channel];
  return found;
}
