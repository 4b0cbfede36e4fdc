// Draw, drop or pick an image, and see the answer and the reasons for it change with every stroke.

import { bytesOf } from "../lib/codec.js";
import { template } from "../lib/dom.js";
import { latest } from "../lib/latest.js";
import { drawStrokes, PAPER } from "../lib/paper.js";
import { picture } from "../lib/pictures.js";
import { isLikeMnist, prepare } from "../lib/preprocess.js";
import { readScan } from "../lib/scan.js";
import { Sketch } from "../lib/sketch.js";
import { examples, noise } from "../lib/strokes.js";
import { Answer } from "./draw-answer.js";

export const id = "draw";
export const title = "Draw";

const REPLAY = 500; // milliseconds that an example takes to be drawn
const LIGHT = 140; // mean grey above which an image may be dark ink on light

let view = null;

export function mount(root, app) {
  root.append(template("draw-view"));
  view = new DrawView(root, app);
}

export function show() {
  document.addEventListener("paste", view.paste);
}

export function hide() {
  document.removeEventListener("paste", view.paste);
}

class DrawView {
  constructor(root, app) {
    this.app = app;
    this.part = (name) => root.querySelector(`[data-part="${name}"]`);
    this.answer = new Answer(root, app, (image) => this.#useImage(image));
    this.sketch = new Sketch(this.part("canvas"), {
      onchange: () => this.#changed(),
      onpause: () => this.#paused(),
    });
    this.requests = latest(
      (job) => this.#ask(job),
      (explanation, job) => this.#answered(explanation, job),
      (error, job, again) => this.#refused(error, again),
    );
    this.shownPixels = null; // what the shown answer is about
    this.hadImage = false; // whether an image lay on the canvas, not a drawing
    this.file = null; // that the image came from
    this.looksInked = false; // whether it may be dark ink on light
    this.continued = false; // whether the newest decision is about this very drawing, earlier
    this.paste = (event) => this.#pasted(event);
    this.#setUp(root);
    this.#changed();
  }

  #setUp(root) {
    const { part, sketch, app } = this;
    part("hint").textContent = isLikeMnist(app.model) ? "Draw a digit here" : "Draw here";
    part("undo").addEventListener("click", () => sketch.undo());
    part("clear").addEventListener("click", () => sketch.clear());
    part("thickness").addEventListener("input", (event) => (sketch.thickness = event.target.value / 100));
    part("choose").addEventListener("click", () => part("file").click());
    part("file").addEventListener("change", (event) => {
      this.#useFile(event.target.files[0]);
      event.target.value = "";
    });
    part("invert").addEventListener("click", () => this.#readAsDrawing());
    part("keep").hidden = app.backend.inbox === null;
    part("keep").disabled = true;
    part("keep").addEventListener("click", () => this.#keep());
    this.#setUpDrop(part("paper"));
    part("examples").append(...examples(app.model).map((example) => this.#exampleButton(example)));
  }

  #setUpDrop(paper) {
    const over = (event) => {
      event.preventDefault();
      paper.classList.add("over");
    };
    paper.addEventListener("dragenter", over);
    paper.addEventListener("dragover", over);
    paper.addEventListener("dragleave", () => paper.classList.remove("over"));
    paper.addEventListener("drop", (event) => {
      event.preventDefault();
      paper.classList.remove("over");
      this.#useFile(event.dataTransfer.files[0]);
    });
  }

  #exampleButton(example) {
    const { h, model } = this.app;
    const shown = example.noise ? picture(noise(model), 56) : thumbnail(example.strokes, 56);
    shown.setAttribute("aria-hidden", "true");
    const start = () => {
      this.#newSubject();
      if (example.noise) return this.sketch.setImage(noise(model));
      const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
      return this.sketch.replay(example.strokes, still ? 0 : REPLAY);
    };
    return h("button", { type: "button", class: `example ${example.kind}`, onclick: start, "data-kind": example.kind },
      shown, h("span", { class: "name" }, example.name), h("span", { class: "note" }, example.note));
  }

  // What the model would read now: { pixels, shape }, or null.
  #subject() {
    const { sketch, app } = this;
    if (sketch.image !== null) return sketch.image;
    if (sketch.empty) return null;
    const { ink, size } = sketch.ink();
    const pixels = prepare(ink, size, app.model);
    return pixels && { pixels, shape: [app.model.channels, app.model.image_size, app.model.image_size] };
  }

  #changed() {
    const { part, sketch } = this;
    part("undo").disabled = !sketch.canUndo;
    part("clear").disabled = sketch.empty;
    part("hint").hidden = !sketch.empty;
    part("keep").disabled = sketch.empty;
    if (this.hadImage && sketch.image === null) this.#newSubject();
    this.hadImage = sketch.image !== null;
    if (!this.hadImage) this.#remark(null);
    part("invert").hidden = !this.hadImage || !this.looksInked;
    const subject = this.#subject();
    if (subject === null) {
      this.#newSubject();
      this.requests.forget();
      this.shownPixels = null;
      this.answer.empty();
      return;
    }
    this.requests.submit({ ...subject, settled: false, asked: performance.now() });
  }

  #paused() {
    const subject = this.#subject();
    if (subject !== null) this.requests.submit({ ...subject, settled: true, asked: performance.now() });
  }

  async #ask(job) {
    // the pause after a stroke asks about what is shown already
    if (this.shownPixels === job.pixels.join() && this.answer.explanation) return this.answer.explanation;
    return this.app.backend.explain(job.pixels, job.shape);
  }

  #answered(explanation, job) {
    const known = explanation === this.answer.explanation;
    this.shownPixels = job.pixels.join();
    if (!known) {
      this.answer.show(explanation, performance.now() - job.asked);
      performance.measure("euinet-answer", { start: job.asked, end: performance.now() });
    }
    if (job.settled) this.#settle(explanation);
  }

  #settle(explanation) {
    this.app.decide(explanation, this.continued);
    this.continued = true;
    this.app.announce(this.answer.spoken());
  }

  async #refused(error, again) {
    this.answer.problem(error.message);
    if (error.retryAfter) {
      await new Promise((resolve) => setTimeout(resolve, 1000 * error.retryAfter));
      again();
    }
  }

  #newSubject() {
    this.continued = false;
    this.file = null;
    this.looksInked = false;
  }

  async #useFile(file) {
    if (!file) return;
    this.#newSubject();
    try {
      const explanation = await this.app.backend.predictFile(file);
      this.file = file;
      const image = imageOf(explanation.image);
      this.looksInked = isLikeMnist(this.app.model) && mean(image.pixels) > LIGHT;
      this.#useImage(image, explanation.remark ? `How it was read: ${explanation.remark}.` : null);
    } catch (error) {
      this.answer.problem(error.message);
    }
  }

  #useImage(image, remark = null) {
    this.continued = false;
    this.sketch.setImage(image);
    this.#remark(remark);
  }

  async #readAsDrawing() {
    try {
      const pixels = await readScan(this.file);
      this.#newSubject();
      this.#useImage({ pixels, shape: [1, 28, 28] }, "Read as a drawing: inverted, fitted and centred as MNIST was.");
    } catch (error) {
      this.answer.problem(error.message);
    }
  }

  #remark(text) {
    this.part("remark").hidden = text === null;
    this.part("remark").textContent = text ?? "";
  }

  #pasted(event) {
    const file = [...event.clipboardData.files].find(({ type }) => type.startsWith("image/"));
    if (file === undefined) return;
    event.preventDefault();
    this.#useFile(file);
  }

  async #keep() {
    const image = this.answer.explanation?.image;
    if (image === undefined) return;
    try {
      await this.app.backend.inbox.json("POST", "/items", { image: image.pixels, shape: image.shape });
      this.app.announce("The image is in the inbox.");
      this.#remark("It is in the inbox.");
    } catch (error) {
      this.answer.problem(error.message);
    }
  }
}

const imageOf = ({ shape, pixels }) => ({ shape, pixels: bytesOf(pixels) });

const mean = (pixels) => pixels.reduce((sum, value) => sum + value, 0) / pixels.length;

function thumbnail(strokes, size) {
  const canvas = Object.assign(document.createElement("canvas"), { width: size, height: size });
  const paper = canvas.getContext("2d");
  paper.fillStyle = PAPER;
  paper.fillRect(0, 0, size, size);
  drawStrokes(paper, strokes.map((points) => ({ width: 0.1, points })), size);
  return canvas;
}
