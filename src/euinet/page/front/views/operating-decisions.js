// What another alpha would do to the last decisions, by their p-values.

import { bytesOf } from "../lib/codec.js";
import { h } from "../lib/dom.js";
import { number } from "../lib/format.js";
import { rejectedAt } from "../operating_point.js";
import { twoDigits } from "./operating-parts.js";

const SHOWN = 24;

// `images`: calibration images behind each p-value; null where classes have thresholds of their own.
export function turned(decisions, alpha, images) {
  const told = decisions.filter(({ answer }) => answer.p_value !== null);
  const at = (answer) => (images === null ? answer.p_value <= alpha : rejectedAt(answer.p_value, alpha, images));
  const changed = told.filter(({ answer }) => at(answer) !== answer.rejected);
  return { told: told.length, untold: decisions.length - told.length, changed };
}

export function turnedList({ told, untold, changed }, own) {
  if (!told && !untold) return h("p", { class: "muted" }, "There are none yet: draw something, or choose an image, in the first view.");
  if (!told) return h("p", { class: "muted" }, "They have no p-values, for the model keeps no calibration scores.");
  const count = told === 1 ? "One decision" : `${told} decisions`;
  const now = own === null ? "" : ` (the model’s own α is ${twoDigits(own)})`;
  const text = changed.length ? `${changed.length} of ${count.toLowerCase()} would turn${now}.` : `${count}, and none would turn${now}.`;
  const rows = changed.slice(-SHOWN).reverse().map(row);
  return [h("p", { role: "status" }, text), rows.length ? h("ul", { class: "turned" }, rows) : null];
}

function row({ answer, image }) {
  const words = answer.rejected ? ["none of these", answer.best_class] : [answer.label, "none of these"];
  return h(
    "li", { class: answer.rejected ? "to-known" : "to-reject" }, image ? picture(image) : null,
    h("span", null, h("s", null, words[0]), " → ", h("strong", null, words[1]), h("span", { class: "muted" }, ` p = ${number(answer.p_value, 2)}`)),
  );
}

export function picture({ shape, pixels }) {
  const [channels, height, width] = shape;
  const bytes = bytesOf(pixels);
  const canvas = h("canvas", { width, height, class: "thumb", "aria-hidden": true });
  const data = new ImageData(width, height);
  const plane = width * height;
  for (let at = 0; at < plane; at += 1) {
    for (let channel = 0; channel < 3; channel += 1) data.data[4 * at + channel] = bytes[at + (channels === 1 ? 0 : channel * plane)];
    data.data[4 * at + 3] = 255;
  }
  canvas.getContext("2d").putImageData(data, 0, 0);
  return canvas;
}
