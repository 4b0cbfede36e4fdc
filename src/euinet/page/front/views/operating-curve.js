// The operating curve as a picture: α on a logarithmic axis, shares on the other. The tiles have the same as text.

import { h, replace, svg } from "../lib/dom.js";
import { percent } from "../lib/format.js";
import { fitted } from "./operating-parts.js";

const HEIGHT = 300;
const LEFT = 48;
const RIGHT = 14;
const TOP = 14;
const BOTTOM = 42;
const TICKS = [0.0001, 0.001, 0.01, 0.1];

export class Curve {
  constructor(record, grid, points, choose) {
    this.grid = grid;
    this.points = points;
    this.lines = linesOf(record);
    const least = Math.min(...this.lines.flatMap((line) => points.map(line.share)));
    this.floor = Math.max(0, Math.floor(Math.min(least, 0.95) * 10) / 10);
    this.logs = [Math.log(grid[0]), Math.log(grid.at(-1))];
    this.choose = choose;
    const place = fitted(null, (width) => this.draw(width));
    this.element = h("div", { class: "curve-picture" }, place, h("ul", { class: "legend" }, this.lines.map(legend)));
  }

  draw(width) {
    this.width = width;
    this.marks = svg("g");
    this.text = svg("desc", { id: "curve-text" });
    const picture = svg("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, height: HEIGHT, role: "img", "aria-labelledby": "curve-title curve-text" },
      this.text, this.axes(), this.lines.map((line) => this.path(line)), this.marks);
    picture.addEventListener("click", (event) => this.choose(this.gridAt(event, picture)));
    if (this.at !== undefined) this.mark(this.at, this.own);
    return picture;
  }

  x(alpha) {
    const [low, high] = this.logs;
    return LEFT + ((Math.log(alpha) - low) / (high - low || 1)) * (this.width - LEFT - RIGHT);
  }

  y(share) {
    return HEIGHT - BOTTOM - ((share - this.floor) / (1 - this.floor)) * (HEIGHT - TOP - BOTTOM);
  }

  axes() {
    const step = 1 - this.floor > 0.5 ? 0.25 : 1 - this.floor > 0.15 ? 0.1 : 0.02;
    const shares = [];
    for (let share = 1; share >= this.floor - 1e-9; share -= step) shares.push(share);
    const across = shares.map((share) => [
      svg("line", { x1: LEFT, x2: this.width - RIGHT, y1: this.y(share), y2: this.y(share), class: "rule" }),
      svg("text", { x: LEFT - 8, y: this.y(share) + 4, "text-anchor": "end" }, `${Math.round(100 * share)}\u202f%`),
    ]);
    const along = TICKS.filter((alpha) => alpha >= this.grid[0] && alpha <= this.grid.at(-1)).map((alpha) => [
      svg("line", { x1: this.x(alpha), x2: this.x(alpha), y1: TOP, y2: HEIGHT - BOTTOM, class: "rule" }),
      svg("text", { x: this.x(alpha), y: HEIGHT - BOTTOM + 18, "text-anchor": "middle" }, `${100 * alpha}\u202f%`),
    ]);
    const name = svg("text", { x: (LEFT + this.width - RIGHT) / 2, y: HEIGHT - 6, "text-anchor": "middle" }, "α, on a logarithmic scale");
    return svg("g", { class: "axes", "aria-hidden": true }, across, along, name);
  }

  path(line) {
    const parts = this.points.map((point, at) => `${at ? "L" : "M"}${this.x(point.alpha).toFixed(1)} ${this.y(line.share(point)).toFixed(1)}`);
    return svg("path", { d: parts.join(""), class: `curve-line ${line.kind}`, "stroke-dasharray": line.dashes });
  }

  // Show where α is, and where the model's own is (−1: not on the grid).
  mark(at, own) {
    Object.assign(this, { at, own });
    if (!this.marks) return;
    const point = this.points[at];
    const x = this.x(point.alpha);
    const ownMark = own < 0 || own === at ? null : svg("line", { x1: this.x(this.grid[own]), x2: this.x(this.grid[own]), y1: TOP, y2: HEIGHT - BOTTOM, class: "own" });
    const dots = this.lines.map((line) => svg("circle", { cx: x, cy: this.y(line.share(point)), r: 5, class: `curve-dot ${line.kind}` }));
    replace(this.marks, ownMark, svg("line", { x1: x, x2: x, y1: TOP, y2: HEIGHT - BOTTOM, class: "here" }), dots);
    const said = this.lines.map((line) => `${line.name} ${percent(line.share(point))}`).join(", ");
    replace(this.text, `Shares over α from ${percent(this.grid[0], 2)} to ${percent(this.grid.at(-1), 0)}. At ${percent(point.alpha, 2)}: ${said}.`);
  }

  gridAt(event, picture) {
    const box = picture.getBoundingClientRect();
    const share = (((event.clientX - box.left) / box.width) * this.width - LEFT) / (this.width - LEFT - RIGHT);
    const [low, high] = this.logs;
    const wanted = low + Math.min(1, Math.max(0, share)) * (high - low);
    return this.grid.reduce((best, alpha, at) => (Math.abs(Math.log(alpha) - wanted) < Math.abs(Math.log(this.grid[best]) - wanted) ? at : best), 0);
  }
}

function linesOf(record) {
  const lines = [
    { name: "known accepted", kind: "known", dashes: null, share: (point) => point.coverage.share },
    { name: "right, of those accepted", kind: "known", dashes: "2 5", share: (point) => point.accuracy.share ?? 1 },
  ];
  const words = { near: "near unknowns rejected", far: "far unknowns rejected" };
  for (const [kind, name] of Object.entries(words)) {
    const groups = record.ranges.filter((group) => group.kind === kind && group.images);
    const total = groups.reduce((sum, group) => sum + group.images, 0);
    const share = (point) => groups.reduce((sum, group) => sum + point.rejected[group.name].count, 0) / total;
    if (total) lines.push({ name, kind: "reject", dashes: kind === "far" ? "9 5" : null, share });
  }
  return lines;
}

function legend(line) {
  const key = svg("svg", { viewBox: "0 0 34 10", width: 34, height: 10, "aria-hidden": true },
    svg("line", { x1: 1, x2: 33, y1: 5, y2: 5, class: `curve-line ${line.kind}`, "stroke-dasharray": line.dashes }));
  return h("li", null, key, line.name);
}
