// The training images nearest to another, as explain/bank.py finds them: 1 − cosine of the features.

const SHOWN = 8;

// Reads bank.json, bank-images.bin (uint8) and bank-features.bin (float16, rows of length 1) at `base`.
export async function openBank(base) {
  const read = async (name) => {
    const response = await fetch(new URL(name, base));
    if (!response.ok) throw new Error(`${name} cannot be read (${response.status}).`);
    return response;
  };
  const [about, images, features] = await Promise.all([
    read("bank.json").then((response) => response.json()),
    read("bank-images.bin").then((response) => response.arrayBuffer()),
    read("bank-features.bin").then((response) => response.arrayBuffer()),
  ]);
  return new Bank(about, new Uint8Array(images), fromHalf(new Uint16Array(features)));
}

export class Bank {
  constructor({ labels, shape }, images, rows) {
    this.labels = labels; // positions in class_names
    this.shape = shape; // [C, H, W]
    this.images = images;
    this.rows = rows; // count × F
  }

  // The nearest images to one image's features: [{ label, distance, image: { shape, pixels } }], nearest first.
  nearest(features, count = SHOWN) {
    const size = features.length;
    const length = Math.max(Math.hypot(...features), 1e-12);
    const distances = new Float32Array(this.labels.length);
    for (let row = 0; row < distances.length; row++) {
      let product = 0;
      for (let at = 0; at < size; at++) product += features[at] * this.rows[row * size + at];
      distances[row] = 1 - product / length;
    }
    const order = Array.from(distances.keys()).sort((a, b) => distances[a] - distances[b] || a - b);
    return order.slice(0, count).map((row) => ({
      label: this.labels[row],
      distance: distances[row],
      image: { shape: this.shape, pixels: this.#pixels(row) },
    }));
  }

  #pixels(row) {
    const size = this.shape[0] * this.shape[1] * this.shape[2];
    return this.images.slice(row * size, (row + 1) * size);
  }
}

// Halves as float32; Float16Array is not in every browser yet.
export function fromHalf(halves) {
  return Float32Array.from(halves, (half) => {
    const sign = half & 0x8000 ? -1 : 1;
    const exponent = (half >> 10) & 31;
    const fraction = half & 1023;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  });
}
