// The right-hand side of the Draw view: an explanation, in words, charts and pictures.

import { bytesOf, floatsOf } from "../lib/codec.js";
import { pScale, softmaxChart, thresholdChart } from "../lib/charts.js";
import { MINUS, number, percent, plain, whole } from "../lib/format.js";
import { showChange, showImage } from "../lib/pictures.js";

export class Answer {
  // `useImage(image)` is called when a neighbour is chosen to be explained itself.
  constructor(root, app, useImage) {
    this.app = app;
    this.useImage = useImage;
    this.explanation = null;
    this.part = (name) => root.querySelector(`[data-part="${name}"]`);
    const { model } = app;
    this.charts = { softmax: softmaxChart(model.class_names), threshold: thresholdChart(model.class_names) };
    if (model.calibration_images > 0) this.charts["p-scale"] = pScale(model);
    for (const [name, { element }] of Object.entries(this.charts)) this.part(name).append(element);
    this.#equations(model.settings);
    this.loading = true;
    app.backend.ready().then(() => this.#ready(), (error) => this.problem(error.message));
    this.empty();
  }

  empty() {
    this.explanation = null;
    this.#state("empty");
    this.part("big").textContent = "Draw something";
    this.part("why").textContent =
      "The answer and the reasons for it appear here while you draw. Or try one of the examples.";
    this.part("speed").textContent = this.loading ? "the model is loading …" : "";
    this.part("problem").hidden = true;
  }

  #ready() {
    this.loading = false;
    if (this.explanation === null) this.part("speed").textContent = "";
    performance.mark("euinet-model-ready");
  }

  problem(sentence) {
    this.part("problem").hidden = false;
    this.part("problem").textContent = sentence;
  }

  show(explanation, milliseconds) {
    this.explanation = explanation;
    this.part("problem").hidden = true;
    this.part("speed").textContent = `answered in ${Math.max(1, Math.round(milliseconds))}\u00a0ms`;
    this.#headline(explanation);
    this.#oddness(explanation);
    this.#softmax(explanation);
    this.charts.softmax.update(explanation);
    this.charts["p-scale"]?.update(explanation);
    this.#threshold(explanation);
    this.charts.threshold.update(explanation);
    this.#change(explanation);
    this.#neighbours(explanation);
  }

  // What a screen reader says once a drawing rests.
  spoken() {
    const { answer } = this.explanation;
    const p = answer.p_value === null ? "" : ` p-value ${number(answer.p_value)}.`;
    return answer.rejected ? `None of these. Nearest class: ${answer.best_class}.${p}` : `${answer.label}.${p}`;
  }

  #state(state) {
    this.part("answer").dataset.state = state;
    this.part("lead").dataset.state = this.part("reasons").dataset.state = state;
  }

  #headline({ answer, logits, threshold }) {
    this.#state(answer.rejected ? "rejected" : "known");
    const big = this.part("big");
    big.textContent = answer.rejected ? "None of these" : answer.label;
    big.classList.toggle("glyph", !answer.rejected && [...answer.label].length <= 2);
    this.part("why").textContent = answer.rejected
      ? `Its best guess would be “${answer.best_class}”, but ${lead(answer, logits, threshold)} short of the active threshold.`
      : `Accepted: ${lead(answer, logits, threshold)} beyond the active threshold.`;
  }

  #oddness({ answer }) {
    const { calibration_images: count, alpha, per_class: perClass } = this.app.model;
    const { p_value: p } = answer;
    if (p === null) {
      this.part("p-say").textContent =
        "This model keeps no scores of calibration images, so there is no p-value: euinet calibrate sets one.";
      return;
    }
    const rule = alpha === null ? "" : ` An image is rejected where p is at most α = ${alpha}.`;
    const odder = Math.round(p * (count + 1)) - 1;
    const said = perClass
      ? `About ${percent(p)} of the known images that get this answer look at least as odd as this one.`
      : odder === 0
        ? `Of ${whole(count)} known images kept aside, none looks as odd as this one.`
        : `Of ${whole(count)} known images kept aside, ${whole(odder)} ${odder === 1 ? "looks" : "look"} at least as odd as this one.`;
    this.part("p-say").textContent = `${said}${rule}`;
    const worked = perClass ? "" : ` = (1 + ${whole(odder)}) / (${whole(count)} + 1)`;
    this.part("p-numbers").textContent = `Here s = ${number(answer.ood_score)} and p${worked} = ${number(p)}.`;
  }

  #softmax({ answer }) {
    const best = answer.rejected ? answer.reject_probability : answer.probabilities[answer.best_class];
    const winner = answer.rejected ? "“none of these”" : `“${answer.label}”`;
    this.part("softmax-say").textContent =
      `“None of these” competes with the classes for one whole: the longest bar is the answer, here ${winner}.`;
    this.part("softmax-numbers").textContent = `Here the largest share is ${percent(best, 2)}.`;
  }

  #threshold({ disc_score: h, threshold }) {
    const { settings } = this.app.model;
    this.part("threshold-say").textContent =
      `A class is accepted only if its dot lies beyond the line, and the line moves further right the less real the image looks to the discriminator (h = ${number(h)}).`;
    this.part("threshold-numbers").textContent =
      `Here α = ${plain(settings.disc_scale)}, γ = ${plain(settings.disc_shift)} before calibration, T = ${plain(settings.temperature)} (logits are ${settings.temperature_rule === "multiply" ? "multiplied" : "divided"} by it), h = ${number(h)}; the line stands at ${number(threshold, 4)}.`;
  }

  #change({ image, change }) {
    const { settings } = this.app.model;
    const perturbed = settings.epsilon > 0;
    showImage(this.part("read"), imageOf(image));
    this.part("read-caption").textContent = `${image.shape[2]} × ${image.shape[1]} pixels, as it was given`;
    this.part("change-figure").hidden = !perturbed || change === null;
    this.part("change-say").textContent = perturbed
      ? "Before it decides, the network nudges every pixel a little so that its first guess grows surer: known images gain more by that than unknown ones."
      : "This model is set to read the image as it is: its perturbation ε is 0 (the bundled model mnist-report perturbs).";
    if (change === null) return; // embeddings were perturbed, and no pixels
    const values = floatsOf(change.values);
    const most = values.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
    this.part("change-numbers").textContent = perturbed
      ? `Here ε = ${plain(settings.epsilon)} on pixels that span ${plain(settings.pixel_range)}; of pixels 0 … 255 that changed none by more than ${number(most)}.`
      : "Here ε = 0, so the perturbed image is the image.";
    if (!perturbed) return;
    const canvas = this.part("change");
    showChange(canvas, { values, shape: change.shape }, most);
    const [darker, lighter] = [values.filter((v) => v < 0).length, values.filter((v) => v > 0).length];
    canvas.setAttribute("aria-label",
      `What the perturbation changed: ${whole(darker)} values lowered and ${whole(lighter)} raised, by at most ${number(most)} of 255`);
    this.part("least").textContent = `${MINUS}${number(most, 2)}`;
    this.part("most").textContent = `+${number(most, 2)}`;
  }

  #neighbours({ neighbours }) {
    const { model } = this.app;
    const list = this.part("near");
    if (neighbours.length === 0) {
      this.part("near-say").textContent =
        `The training images (${model.data}) are not at hand here, so none can be shown.`;
      list.replaceChildren();
      return;
    }
    this.part("near-say").textContent =
      "The training images that the network finds most alike, nearest first: a known image lies close to images of one class. Choose one to see it explained.";
    while (list.children.length > neighbours.length) list.lastChild.remove();
    while (list.children.length < neighbours.length) list.append(this.#nearButton());
    neighbours.forEach((neighbour, at) => fillNear(list.children[at], neighbour));
  }

  // Made once and then filled anew: one that has the keyboard's focus keeps it while the drawing changes.
  #nearButton() {
    const { h } = this.app;
    const item = h("li", null, h("button", { type: "button", onclick: () => this.useImage(imageOf(item.image)) },
      document.createElement("canvas"), h("span", { class: "name" }), h("span", { class: "note" })));
    return item;
  }

  #equations(settings) {
    const surprise = settings.disc_link === "surprise";
    this.part("eq-probability").classList.toggle("gone", surprise);
    this.part("eq-surprise").classList.toggle("gone", !surprise);
    this.part("eq-moved").hidden = !(surprise && settings.disc_known > 0);
    const sign = settings.perturbation === "sign";
    this.part("eq-sign").classList.toggle("gone", !sign);
    this.part("eq-raw").classList.toggle("gone", sign);
  }
}

const imageOf = ({ shape, pixels }) => ({ shape, pixels: bytesOf(pixels) });

// How far the best class is from the threshold, which moves the score by what calibration set.
function lead(answer, logits, threshold) {
  return `its logit lies ${number(Math.abs(logits[answer.best_class] - threshold), 2)}`;
}

function fillNear(item, { label, distance, image }) {
  const [canvas, name, note] = item.firstChild.children;
  if (item.image?.pixels !== image.pixels) showImage(canvas, imageOf(image));
  item.image = image;
  name.textContent = label;
  note.textContent = distance.toFixed(3);
  item.firstChild.setAttribute("aria-label", `Training image of ${label}, distance ${distance.toFixed(3)}`);
}
