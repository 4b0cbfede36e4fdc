// Runs the exported model beside the page, so that drawing never waits: onnxruntime-web on one thread.
//
// In: { id, kind: "open", base } once, then { id, kind: "explain", pixels, shape }. Out: { id, result } or
// { id, error }. `base` is the address of the folder with model.onnx and the bank's files.

import * as ort from "../vendor/onnxruntime-web/ort.wasm.min.mjs";
import { openBank } from "../lib/bank.js";

const vendor = (name) => new URL(`../vendor/onnxruntime-web/${name}`, import.meta.url).href;
ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = {
  mjs: vendor("ort-wasm-simd-threaded.mjs"),
  wasm: vendor("ort-wasm-simd-threaded.wasm"),
};
ort.env.logLevel = "fatal";

let session = null;
let bank = null;

const work = {
  async open({ base }) {
    const facts = fetched(new URL("model.json", base)).then((response) => response.json());
    const model = await fetched(new URL("model.onnx", base)).then((response) => response.arrayBuffer());
    // euinet has folded what can be folded: looking for more costs half a second at the start and saves nothing
    session = await ort.InferenceSession.create(new Uint8Array(model), {
      executionProviders: ["wasm"],
      graphOptimizationLevel: "disabled",
    });
    const { channels, image_size: size, features } = await facts;
    if (features.neighbours) bank = await openBank(base);
    // the first run allocates; it shall not be the first answer
    await work.explain({ pixels: new Uint8Array(channels * size * size), shape: [channels, size, size] });
  },

  async explain({ pixels, shape }) {
    const images = new ort.Tensor("uint8", pixels, [1, ...shape]);
    const outputs = await session.run({ images });
    const found = {};
    for (const name of session.outputNames) {
      const { data } = outputs[name];
      found[name] = data instanceof BigInt64Array ? Array.from(data, Number) : data.slice();
    }
    found.neighbours = bank === null ? [] : bank.nearest(found.features);
    return found;
  },
};

self.onmessage = async ({ data }) => {
  try {
    self.postMessage({ id: data.id, result: await work[data.kind](data) });
  } catch (error) {
    self.postMessage({ id: data.id, error: String(error?.message ?? error) });
  }
};

async function fetched(address) {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address.pathname} cannot be read (${response.status}).`);
  return response;
}
