// Pixels and numbers between base64, typed arrays and nested lists.

export function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}

export function base64Of(array) {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) {
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  }
  return btoa(text);
}

// Little endian is the order of every machine that a browser runs on today.
export function floatsOf(base64) {
  return new Float32Array(bytesOf(base64).buffer);
}

// A flat array in the shape [C, H, W] as lists of lists of lists.
export function nested(flat, [channels, height, width]) {
  const rows = (channel) =>
    Array.from({ length: height }, (_, row) => {
      const start = (channel * height + row) * width;
      return Array.from(flat.subarray(start, start + width));
    });
  return Array.from({ length: channels }, (_, channel) => rows(channel));
}
