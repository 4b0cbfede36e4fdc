// The operating point: what another alpha would do, worked out in the browser from the model's test record.

import { h, replace } from "../lib/dom.js";
import { number, percent, whole } from "../lib/format.js";
import { alphaGrid, expectedCost, leastCost, openRecord, operatingPoint } from "../operating_point.js";
import { Curve } from "./operating-curve.js";
import { turned, turnedList } from "./operating-decisions.js";
import { command, field, quoted, styles, twoDigits } from "./operating-parts.js";

export const id = "operating";
export const title = "Operating point";

const COSTS = [
  ["wrong_answer", "A wrong answer", 5, 1000000],
  ["rejected_known", "A known image rejected", 1, 1000000],
  ["accepted_unknown", "An unknown image accepted", 10, 1000000],
  ["unknown_share", "Unknown among those that come, %", 10, 100],
];
let view = null;

export function mount(root, app) {
  styles("operating.css");
  view = new Operating(root, app);
}

export function show() {
  view.refresh();
}

export function hide() {}

class Operating {
  constructor(root, app) {
    this.root = root;
    this.app = app;
    this.root.classList.add("operating");
    app.on("decision", () => this.decisions?.isConnected && this.showDecisions());
    this.open();
  }

  async open() {
    replace(this.root, h("p", { class: "notice", role: "status" }, "Opening the test record …"));
    try {
      const json = await this.app.backend.record();
      this.record = json ? openRecord(json) : null;
    } catch (error) {
      return this.failed(error);
    }
    this.images = this.record ? this.record.basis.fewest : this.app.model.calibration_images;
    this.grid = alphaGrid(this.images);
    if (!this.grid.length) return this.cannot();
    this.points = this.record ? this.grid.map((alpha) => operatingPoint(this.record, alpha)) : [];
    const own = this.app.model.alpha;
    this.at = nearest(this.grid, own ?? 0.01);
    this.build();
    return this.update();
  }

  failed(error) {
    const again = h("button", { type: "button", onclick: () => this.open() }, "Try again");
    replace(this.root, h("div", { class: "notice" }, h("h2", null, "The test record cannot be read"), h("p", null, error.message), again));
  }

  cannot() {
    const how = command(`euinet calibrate ${quoted(this.app.model.name)} --data DATA --alpha 0.01 --out calibrated`, this.app);
    replace(
      this.root,
      h("div", { class: "notice" }, h("h2", null, "Nothing was calibrated"),
        h("p", null, "The model keeps no scores of known images, so no share of false alarms can be set. This makes them:"), how),
    );
  }

  get alpha() {
    return this.grid[this.at];
  }

  get names() {
    return this.like?.value ? [this.like.value] : undefined;
  }

  get costs() {
    const values = Object.fromEntries(COSTS.map(([key, , , most]) => [key, Math.min(most, Math.max(0, Number(this.fields[key].value) || 0))]));
    return { ...values, unknown_share: values.unknown_share / 100 };
  }

  build() {
    this.slider = h("input", {
      type: "range", id: "alpha", min: 0, max: this.grid.length - 1, step: 1, "aria-describedby": "alpha-help",
      oninput: () => this.move(Number(this.slider.value)),
    });
    this.value = h("output", { class: "alpha-value", for: "alpha" });
    this.promise = h("p", { class: "promise" });
    this.own = h("button", { type: "button", onclick: () => this.move(nearest(this.grid, this.app.model.alpha)) }, "Back to the model’s own");
    this.tiles = h("dl", { class: "tiles" });
    this.command = h("div", { class: "commands" });
    this.decisions = h("section", { class: "card decisions", "aria-labelledby": "decisions-title" });
    const control = h(
      "section", { class: "card control", "aria-labelledby": "control-title" },
      h("h2", { id: "control-title" }, "How many known images may be rejected by mistake?"),
      h("div", { class: "slide" }, h("label", { for: "alpha" }, "α"), this.slider, this.value),
      h("p", { id: "alpha-help", class: "muted" }, "Further right catches more unknown images and loses more known ones. Nothing is trained anew."),
      this.promise, this.app.model.alpha === null ? null : this.own,
    );
    replace(this.root, control, this.record ? this.measured() : this.unmeasured(), h("div", { class: "side" }, this.decisions, this.applied()));
  }

  unmeasured() {
    const { name, data } = this.app.model;
    const how = `euinet evaluate ${quoted(name)} --data ${quoted(data)} --record`;
    return h(
      "section", { class: "card" }, h("h2", null, "What would it cost?"),
      h("p", null, "The model has no test record, so only the promise can be told: make one with this command, then open the page again."),
      command(how, this.app),
    );
  }

  measured() {
    this.curve = new Curve(this.record, this.grid, this.points, (at) => this.move(at));
    this.classes = h("tbody");
    const groups = this.record.ranges.slice(1);
    const known = this.record.ranges[0];
    const made = `${whole(known.images)} known test images of ${this.record.data}` + groups.map((g) => `, ${whole(g.images)} of ${g.name}`).join("");
    return [
      h("section", { class: "card found", "aria-labelledby": "found-title" }, h("h2", { id: "found-title" }, "What the test record shows"), this.tiles,
        h("p", { class: "muted" }, `Counted on ${made}; other images may fare differently.`)),
      h("section", { class: "card curve", "aria-labelledby": "curve-title" }, h("h2", { id: "curve-title" }, "Every α at a glance"), this.curve.element),
      this.priced(groups),
      h("section", { class: "card classes", "aria-labelledby": "classes-title" }, h("h2", { id: "classes-title" }, "Class by class"),
        h("div", { class: "scroll", tabindex: 0, role: "group", "aria-labelledby": "classes-title" },
          h("table", null,
            h("thead", null, h("tr", null, ...["Class", "Test images", "Rejected", "Right, of those accepted"].map((text) => h("th", { scope: "col" }, text)))),
            this.classes))),
    ];
  }

  priced(groups) {
    this.fields = {};
    const inputs = COSTS.map(([key, text, value, most]) => {
      this.fields[key] = h("input", { type: "number", id: `cost-${key}`, min: 0, max: most, step: "any", value, inputmode: "decimal", oninput: () => this.price() });
      return field(text, this.fields[key]);
    });
    if (groups.length > 1) {
      const options = groups.map((group) => h("option", { value: group.name }, group.name));
      this.like = h("select", { id: "cost-like", onchange: () => this.price() }, h("option", { value: "" }, "all groups of the record alike"), options);
      inputs.push(field("Unknown ones are like", this.like));
    }
    this.cost = h("p", { class: "cost", role: "status" });
    this.least = h("button", { type: "button", onclick: () => this.move(this.grid.indexOf(this.cheapest.alpha)) });
    return h(
      "section", { class: "card priced", "aria-labelledby": "priced-title" }, h("h2", { id: "priced-title" }, "What it costs"),
      h("p", { class: "muted" }, "Say what each error costs you, in any unit: the α with the least expected cost follows."),
      h("div", { class: "fields" }, inputs), this.cost, this.least,
    );
  }

  applied() {
    return h(
      "section", { class: "card", "aria-labelledby": "apply-title" }, h("h2", { id: "apply-title" }, "Use it"),
      h("p", { class: "muted" }, "This page changes nothing. The command writes a copy of the model with this α, and the test record with it."), this.command,
    );
  }

  move(at) {
    if (at < 0) return;
    this.at = at;
    this.update();
  }

  refresh() {
    if (this.grid?.length && this.slider) this.showDecisions();
  }

  update() {
    const text = twoDigits(this.alpha);
    this.slider.value = this.at;
    this.slider.setAttribute("aria-valuetext", text);
    replace(this.value, text);
    replace(this.promise, this.promised(text));
    this.own.disabled = this.alpha === this.app.model.alpha;
    const flags = this.app.model.per_class ? " --per-class" : "";
    replace(this.command, command(`euinet calibrate ${quoted(this.app.model.name)} --alpha ${this.alpha}${flags} --out calibrated`, this.app));
    if (this.record) this.showRecord();
    this.showDecisions();
  }

  promised(text) {
    const images = whole(this.app.model.calibration_images);
    if (this.record?.basis.kind === "test") {
      return `The model keeps no calibration scores: ${text} of the record’s own known images are rejected here, and nothing is promised.`;
    }
    const found = this.record ? ` The record shows ${percent(1 - this.points[this.at].coverage.share, 2)}.` : "";
    const each = this.app.model.per_class ? " of each answer" : "";
    return `Promised by ${images} calibration images: at most ${text} of known images${each} are rejected by mistake.${found}${this.expected()}`;
  }

  expected() {
    const found = this.app.model.expected;
    if (!found) return "";
    const after = found.alphas.findIndex((alpha) => alpha >= this.alpha);
    const high = after < 0 ? found.alphas.length - 1 : after;
    const low = Math.max(0, high - 1);
    const [from, to] = [found.alphas[low], found.alphas[high]];
    const share = to > from ? Math.min(1, Math.max(0, (this.alpha - from) / (to - from))) : 0;
    const caught = found.caught[low] + share * (found.caught[high] - found.caught[low]);
    return ` Expected, not promised: ${percent(caught, 0)} of unknowns as near as the classes are to each other are caught (estimated by leaving out ${found.classes} of them in turn).`;
  }

  showRecord() {
    const point = this.points[this.at];
    const pooled = (kind) => {
      const groups = this.record.ranges.filter((group) => group.kind === kind);
      const [count, total] = groups.reduce(([c, t], g) => [c + point.rejected[g.name].count, t + g.images], [0, 0]);
      return { names: groups.map((group) => group.name).join(", "), count, total, share: total ? count / total : null };
    };
    const tile = (name, { share, count, total }, about, kind) =>
      h("div", { class: `tile ${kind}` }, h("dt", null, name),
        h("dd", null, h("strong", null, share === null ? "–" : percent(share)), h("span", { class: "muted" }, total ? `${whole(count)} of ${whole(total)}` : "none in the record"), about ? h("span", { class: "muted about-group" }, about) : null));
    const near = pooled("near");
    const far = pooled("far");
    replace(
      this.tiles,
      tile("Known images accepted", point.coverage, null, "known"),
      tile("Right, of those accepted", point.accuracy, null, "known"),
      tile("Near unknowns rejected", near, near.names, "reject"),
      tile("Far unknowns rejected", far, far.names, "reject"),
    );
    this.curve.mark(this.at, this.grid.indexOf(this.app.model.alpha));
    const most = Math.max(0.05, ...point.per_class.map((row) => row.rejected.share ?? 0));
    replace(this.classes, point.per_class.map((row) => classRow(row, most)));
    this.price();
  }

  price() {
    const cost = expectedCost(this.points[this.at], this.costs, this.names);
    this.cheapest = leastCost(this.points, this.costs, this.names);
    if (cost === null || this.cheapest === null) {
      replace(this.cost, "The record holds no such images, so the cost cannot be told.");
      this.least.hidden = true;
      return;
    }
    const best = twoDigits(this.cheapest.alpha);
    replace(this.cost, h("strong", null, number(cost)), " expected for 1,000 images at this α; the least is ", h("strong", null, number(this.cheapest.cost)), ` at α = ${best}.`);
    this.least.hidden = this.cheapest.alpha === this.alpha;
    replace(this.least, `Go to α = ${best}`);
  }

  showDecisions() {
    const found = turned(this.app.decisions, this.alpha, this.app.model.per_class ? null : this.app.model.calibration_images);
    replace(this.decisions, h("h2", { id: "decisions-title" }, "Your last decisions at this α"), turnedList(found, this.app.model.alpha));
  }
}

// The bar's whole length is `most`.
function classRow(row, most) {
  const share = row.rejected.share ?? 0;
  const bar = h("span", { class: "bar-cell", "aria-hidden": true }, h("span", { class: "bar-fill", style: { width: `${(100 * share) / most}%` } }));
  return h(
    "tr", null, h("th", { scope: "row" }, row.name), h("td", null, whole(row.rejected.total)),
    h("td", { class: "with-bar" }, row.rejected.share === null ? "–" : percent(share), bar),
    h("td", null, row.right.share === null ? "–" : percent(row.right.share, 2)),
  );
}

// Where in the ascending grid the value lies nearest, by ratio.
function nearest(grid, value) {
  const far = (alpha) => Math.abs(Math.log(alpha / value));
  return grid.reduce((best, alpha, at) => (far(alpha) < far(grid[best]) ? at : best), 0);
}
