// The canvas to draw on: mouse, touch, pen and keyboard; strokes that can be undone; or an image laid on it.

import { cross, drawStrokes, guides, PAPER } from "./paper.js";
import { paint } from "./pictures.js";

const INK_SIZE = 280; // pixels a side of what is preprocessed: ten for each of MNIST's
const STEP = 1 / 28; // of the canvas, for an arrow key; with Shift four times as far
const NEAR = 0.002; // points nearer to the last one are left out

export class Sketch {
  // `onchange()` after every change; `onpause()` when a stroke has ended or all has changed at once.
  constructor(canvas, { onchange, onpause }) {
    this.canvas = canvas;
    this.paper = canvas.getContext("2d");
    this.onchange = onchange;
    this.onpause = onpause;
    this.thickness = 0.075; // of the canvas
    this.strokes = []; // { width, points: [[x, y], …] } in 0 … 1
    this.image = null; // { pixels, shape }: as it is, not drawn
    this.past = [];
    this.current = null;
    this.cursor = null; // where the keyboard's pen is, and whether it draws
    this.playing = 0; // grows; a replay ends when it is no longer its own number
    const inked = document.createElement("canvas");
    inked.width = inked.height = INK_SIZE;
    this.inked = inked.getContext("2d", { willReadFrequently: true });
    this.#listen();
    this.draw();
  }

  get empty() {
    return this.image === null && this.strokes.length === 0;
  }

  get canUndo() {
    return this.past.length > 0;
  }

  // Uint8Array of INK_SIZE² and its side: the strokes alone, white on black.
  ink() {
    const { inked } = this;
    inked.fillStyle = "#000";
    inked.fillRect(0, 0, INK_SIZE, INK_SIZE);
    drawStrokes(inked, this.strokes, INK_SIZE);
    const { data } = inked.getImageData(0, 0, INK_SIZE, INK_SIZE);
    const ink = new Uint8Array(INK_SIZE * INK_SIZE);
    for (let at = 0; at < ink.length; at++) ink[at] = data[4 * at];
    return { ink, size: INK_SIZE };
  }

  clear() {
    this.#stop();
    if (this.empty) return;
    this.#remember();
    this.strokes = [];
    this.image = null;
    this.#changed(true);
  }

  undo() {
    this.#stop();
    const before = this.past.pop();
    if (before === undefined) return;
    Object.assign(this, before);
    this.#changed(true);
  }

  setImage(image) {
    this.#stop();
    this.#remember();
    this.strokes = [];
    this.image = image;
    this.#changed(true);
  }

  setStrokes(strokes) {
    this.#stop();
    this.#remember();
    this.image = null;
    this.strokes = strokes.map((points) => ({ width: this.thickness, points }));
    this.#changed(true);
  }

  // Draw the strokes as a hand would, in `duration` milliseconds; 0: at once.
  async replay(strokes, duration) {
    if (duration === 0) return this.setStrokes(strokes);
    this.#stop();
    this.#remember();
    this.image = null;
    this.strokes = [];
    const mine = this.playing;
    const total = strokes.reduce((sum, points) => sum + points.length, 0);
    const start = performance.now();
    for (let shown = 0; shown < total; ) {
      await new Promise(requestAnimationFrame);
      if (mine !== this.playing) return undefined;
      shown = Math.min(total, Math.max(1, Math.ceil((total * (performance.now() - start)) / duration)));
      this.strokes = firstPoints(strokes, shown, this.thickness);
      this.#changed(shown === total);
    }
    return undefined;
  }

  draw() {
    const { canvas, paper } = this;
    const size = canvas.width;
    paper.fillStyle = PAPER;
    paper.fillRect(0, 0, size, size);
    if (this.image !== null) paint(paper, this.image, size);
    else guides(paper, size);
    drawStrokes(paper, this.strokes, size);
    if (this.cursor !== null) cross(paper, this.cursor, size);
  }

  #listen() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => this.#up());
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("blur", () => this.#leave());
  }

  #down(event) {
    if (event.button !== 0 || !event.isPrimary) return;
    event.preventDefault();
    this.canvas.focus({ preventScroll: true });
    this.canvas.setPointerCapture(event.pointerId);
    this.cursor = null;
    this.#begin(this.#place(event));
  }

  #move(event) {
    if (this.current === null || this.cursor !== null || !event.isPrimary) return;
    const events = event.getCoalescedEvents?.() ?? [];
    for (const each of events.length ? events : [event]) this.#add(this.#place(each));
    this.#changed(false);
  }

  #up() {
    if (this.current === null || this.cursor !== null) return;
    this.current = null;
    this.onpause();
  }

  #key(event) {
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if ((event.ctrlKey || event.metaKey) && event.key === "z") this.undo();
    else if (event.ctrlKey || event.metaKey || event.altKey) return;
    else if (event.key in arrows) this.#step(arrows[event.key], event.shiftKey ? 4 : 1);
    else if (event.key === " " || event.key === "Enter") this.#penUpOrDown();
    else if (event.key === "Delete" || event.key === "Backspace") this.clear();
    else return;
    event.preventDefault();
  }

  #step([across, down], times) {
    this.cursor ??= { x: 0.5, y: 0.5, drawing: false };
    const { cursor } = this;
    cursor.x = Math.min(Math.max(cursor.x + across * times * STEP, 0), 1);
    cursor.y = Math.min(Math.max(cursor.y + down * times * STEP, 0), 1);
    if (cursor.drawing) {
      this.#add([cursor.x, cursor.y]);
      this.#changed(false);
    } else this.draw();
  }

  #penUpOrDown() {
    this.cursor ??= { x: 0.5, y: 0.5, drawing: false };
    this.cursor.drawing = !this.cursor.drawing;
    if (this.cursor.drawing) this.#begin([this.cursor.x, this.cursor.y]);
    else {
      this.current = null;
      this.draw();
      this.onpause();
    }
  }

  #leave() {
    if (this.cursor?.drawing) this.onpause();
    if (this.cursor !== null) this.current = null;
    this.cursor = null;
    this.draw();
  }

  #begin(point) {
    this.playing += 1;
    this.#remember();
    this.image = null;
    this.current = { width: this.thickness, points: [point] };
    this.strokes = [...this.strokes, this.current];
    this.#changed(false);
  }

  #add(point) {
    const { points } = this.current;
    const last = points.at(-1);
    if (Math.hypot(point[0] - last[0], point[1] - last[1]) > NEAR) points.push(point);
  }

  #place(event) {
    const box = this.canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  }

  #remember() {
    this.past.push({ strokes: this.strokes, image: this.image });
    if (this.past.length > 100) this.past.shift();
  }

  #stop() {
    this.playing += 1;
    this.current = null;
    if (this.cursor) this.cursor.drawing = false;
  }

  #changed(settled) {
    this.draw();
    this.onchange();
    if (settled) this.onpause();
  }
}

function firstPoints(strokes, count, width) {
  const found = [];
  for (const points of strokes) {
    if (count <= 0) break;
    found.push({ width, points: points.slice(0, count) });
    count -= points.length;
  }
  return found;
}
