// Answers come from the exported model in this very browser; nothing leaves it. Same interface as server.js.

import { base64Of } from "../lib/codec.js";
import { readImage } from "../lib/decode.js";
import { Refusal } from "../lib/refusal.js";
import { unsound } from "../lib/sound.js";

export async function openBrowser() {
  const base = new URL("./", document.baseURI).href;
  const ask = startWorker();
  const opened = ask("open", { base });
  opened.catch(() => {}); // ready() and explain() tell
  const model = await json(base, "model.json");
  const shape = [model.channels, model.image_size, model.image_size];
  const explain = async (pixels, given) => {
    await opened;
    return explanation(model, pixels, given, await ask("explain", { pixels, shape: given }));
  };
  return {
    kind: "browser",
    ready: () => opened,
    model: () => model,
    explain,
    predictFile: async (file) => {
      const { pixels, remark } = await readImage(file, model);
      return { ...(await explain(pixels, shape)), remark };
    },
    record: async () => (model.features.record ? json(base, "record.json") : null),
    inbox: null,
  };
}

function startWorker() {
  const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  const waiting = new Map();
  let last = 0;
  const fail = (message) => {
    for (const { reject } of waiting.values()) reject(new Refusal(message, 0, null));
    waiting.clear();
  };
  worker.onmessage = ({ data: { id, result, error } }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) resolve(result);
    else reject(new Refusal(`The model could not be run in this browser: ${error}`, 0, null));
  };
  worker.onerror = (event) => {
    event.preventDefault();
    fail("The model could not be run in this browser: it needs WebAssembly with SIMD and module workers.");
  };
  return (kind, more) =>
    new Promise((resolve, reject) => {
      last += 1;
      waiting.set(last, { resolve, reject });
      worker.postMessage({ id: last, kind, ...more });
    });
}

// What explain/explainer.py says, from the outputs of the exported model.
function explanation(model, pixels, shape, found) {
  const names = model.class_names;
  const byName = (values, from) => Object.fromEntries(names.map((name, at) => [name, values[from + at]]));
  const label = found.label[0];
  const wrong = unsound(found, model);
  if (wrong !== null) throw new Refusal(`The model has no answer for this image: ${wrong}.`, 0, null);
  return {
    answer: {
      label: label < 0 ? null : names[label],
      best_class: names[found.best_class[0]],
      rejected: label < 0,
      ood_score: found.ood_score[0],
      p_value: model.calibration_images > 0 ? exact(found.p_value[0], model) : null,
      reject_probability: found.probabilities[0],
      probabilities: byName(found.probabilities, 1),
    },
    threshold: found.scores[0],
    disc_score: found.disc_score[0],
    disc_added: found.disc_added[0],
    logits: byName(found.scores, 1),
    image: { shape, pixels: base64Of(pixels) },
    // of a model with a backbone its embedding is perturbed, and no pixels
    change: found.perturbed.length === pixels.length ? { shape, values: base64Of(changeOf(found.perturbed, pixels)) } : null,
    neighbours: found.neighbours.map(({ label: at, distance, image }) => ({
      label: names[at],
      distance,
      image: { shape: image.shape, pixels: base64Of(image.pixels) },
    })),
  };
}

// The network reads x · 2/255 − 1; the change is told in pixels 0 … 255.
function changeOf(perturbed, pixels) {
  return Float32Array.from(perturbed, (value, at) => {
    const read = Math.fround(Math.fround(pixels[at] * Math.fround(2 / 255)) - 1);
    return Math.fround(value - read) * 127.5;
  });
}

// k / (n + 1) exactly: as float32 it could lie on the wrong side of alpha.
function exact(p, { per_class: perClass, calibration_images: count }) {
  return perClass ? p : Math.round(p * (count + 1)) / (count + 1);
}

async function json(base, name) {
  const response = await fetch(new URL(name, base));
  if (!response.ok) throw new Refusal(`${name} cannot be read (${response.status}): copy the whole folder.`, 0, null);
  return response.json();
}
