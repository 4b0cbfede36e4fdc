// Run an exported model on images as a browser would, by onnxruntime-web's wasm backend, and print all outputs.
//
//     node check.mjs MODEL.onnx IMAGES N C H W
//
// IMAGES holds N·C·H·W bytes. What is printed is JSON: the outputs by name, as flat lists.

import { readFile } from "node:fs/promises";
import * as ort from "onnxruntime-web";

const [modelPath, imagesPath, ...sizes] = process.argv.slice(2);
ort.env.wasm.numThreads = 1;
ort.env.logLevel = "fatal";

const session = await ort.InferenceSession.create(await readFile(modelPath), { executionProviders: ["wasm"] });
const pixels = new Uint8Array(await readFile(imagesPath));
const images = new ort.Tensor("uint8", pixels, sizes.map(Number));
const outputs = await session.run({ images });

const plain = {};
for (const name of session.outputNames) {
  plain[name] = Array.from(outputs[name].data, Number); // int64 comes as BigInt
}
console.log(JSON.stringify(plain));
