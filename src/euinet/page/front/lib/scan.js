// A photographed or scanned drawing, dark ink on light, as light ink on black: what MNIST's models know.

import { readGrey } from "./decode.js";
import { asMnist } from "./preprocess.js";

const SIDE = 280; // pixels of the drawing before it is fitted

// Returns Uint8Array (28 · 28). Throws a Refusal for a file that is no image, or has nothing darker than its paper.
export async function readScan(file) {
  const { grey, width, height } = await readGrey(file, SIDE);
  return asMnist(inverted(grey, width, height), SIDE);
}

// SIDE × SIDE: paper becomes 0, the darkest ink 255.
function inverted(grey, width, height) {
  const sorted = Uint8Array.from(grey).sort();
  const [dark, light] = [sorted[Math.floor(sorted.length * 0.005)], sorted[Math.floor(sorted.length * 0.5)]];
  const found = new Uint8Array(SIDE * SIDE);
  const [left, top] = [Math.floor((SIDE - width) / 2), Math.floor((SIDE - height) / 2)];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const ink = (light - grey[y * width + x]) / Math.max(light - dark, 1);
      // paper is never quite even: what is less than a third as dark as ink is paper
      found[(top + y) * SIDE + left + x] = Math.round(255 * Math.min(1, Math.max(0, (ink - 0.35) / 0.45)));
    }
  }
  return found;
}
