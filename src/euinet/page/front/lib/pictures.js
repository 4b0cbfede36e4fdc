// Pixels as pictures on a canvas: an image, and a change in diverging colours.

// Draw a uint8 image { pixels, shape: [C, H, W] } over the whole of a square canvas.
export function paint(paper, { pixels, shape }, size) {
  const [channels, height, width] = shape;
  const area = height * width;
  const data = new ImageData(width, height);
  for (let at = 0; at < area; at++) {
    for (let channel = 0; channel < 3; channel++) {
      data.data[4 * at + channel] = pixels[(channels === 1 ? 0 : channel) * area + at];
    }
    data.data[4 * at + 3] = 255;
  }
  put(paper, data, size);
}

// A picture of an image, `size` pixels a side; 0: the image's own.
export function picture(image, size = 0) {
  const canvas = document.createElement("canvas");
  showImage(canvas, image, size);
  return canvas;
}

export function showImage(canvas, image, size = 0) {
  canvas.width = canvas.height = size || image.shape[2];
  paint(canvas.getContext("2d"), image, canvas.width);
}

// Colour-blind people can tell these apart: blue where the pixel became darker, orange where lighter.
export const DARKER = [42, 111, 187];
export const LIGHTER = [217, 106, 18];

// Draw numbers { values, shape }, −most … most, by how far their mean over channels is from 0: the further,
// the less transparent. `most` is what has the full colour.
export function showChange(canvas, { values, shape }, most) {
  const [channels, height, width] = shape;
  const area = height * width;
  canvas.width = width;
  canvas.height = height;
  const data = new ImageData(width, height);
  for (let at = 0; at < area; at++) {
    let sum = 0;
    for (let channel = 0; channel < channels; channel++) sum += values[channel * area + at];
    const mean = sum / channels;
    data.data.set(mean < 0 ? DARKER : LIGHTER, 4 * at);
    data.data[4 * at + 3] = most > 0 ? Math.round(255 * Math.min(Math.abs(mean) / most, 1)) : 0;
  }
  canvas.getContext("2d").putImageData(data, 0, 0);
}

function put(paper, data, size) {
  if (data.width === size) {
    paper.putImageData(data, 0, 0);
    return;
  }
  const small = document.createElement("canvas");
  small.width = data.width;
  small.height = data.height;
  small.getContext("2d").putImageData(data, 0, 0);
  paper.imageSmoothingEnabled = false;
  paper.drawImage(small, 0, 0, size, size);
}
