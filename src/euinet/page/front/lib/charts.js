// Charts of the Draw view. Each is a table, so that a screen reader reads its numbers; bars are drawn in its cells.
// They are made once and then moved: a stroke changes many numbers at once.

import { h } from "./dom.js";
import { number, percent } from "./format.js";

export const NONE = "none of these";
const MOST_ROWS = 12;

// Rows of the softmax, reject first: { element, update(explanation) }.
export function softmaxChart(classNames) {
  const rows = chartRows([NONE, ...shownNames(classNames)]);
  const rest = h("p", { class: "rest muted", hidden: true });
  const axis = h("p", { class: "rest muted", hidden: true });
  const element = h("div", { style: nameWidth([NONE, ...classNames]) }, table("Share of each class and of “none of these” in the softmax", ["Class", "Share"], rows), rest, axis);
  return {
    element,
    update({ answer }) {
      const names = ranked(classNames, answer.probabilities);
      const shares = [answer.reject_probability, ...names.map((name) => answer.probabilities[name])];
      const [low, high] = zoom(shares);
      const best = shares.indexOf(Math.max(...shares));
      rows.forEach((row, at) => {
        if (at > 0) row.name.textContent = names[at - 1];
        row.bar.style.setProperty("--from", 0);
        row.bar.style.setProperty("--to", Math.max(0, (shares[at] - low) / (high - low)));
        row.value.textContent = percent(shares[at], high - low < 0.5 ? 2 : 1);
        row.element.className = at === 0 ? "reject" : "";
        row.element.classList.toggle("best", at === best);
      });
      showRest(rest, classNames.length - names.length, 1 - shares.reduce((a, b) => a + b, 0));
      axis.hidden = low === 0;
      if (low > 0) axis.textContent = `The bars start at ${percent(low, 2)}: at this temperature the shares differ little.`;
    },
  };
}

// The logits of the classes against the threshold: { element, update(explanation) }.
export function thresholdChart(classNames) {
  const rows = chartRows(shownNames(classNames));
  const label = h("span", { class: "line-label", "aria-hidden": "true" });
  const ruler = h("div", { class: "ruler", "aria-hidden": "true" }, label);
  const low = h("span");
  const high = h("span");
  const element = h("div", { class: "lollipops", style: nameWidth(classNames) }, ruler,
    table("Temperature-scaled logit of each class", ["Class", "Logit"], rows),
    h("p", { class: "axis muted", "aria-hidden": "true" }, low, h("span", null, "logit"), high));
  return {
    element,
    update({ answer, logits, threshold }) {
      const names = ranked(classNames, answer.probabilities);
      const values = names.map((name) => logits[name]);
      const [from, to] = span([...values, threshold]);
      const place = (value) => (value - from) / (to - from);
      element.style.setProperty("--line", place(threshold));
      label.textContent = `threshold ${number(threshold)}`;
      label.classList.toggle("left", place(threshold) > 0.6);
      low.textContent = number(from, 2);
      high.textContent = number(to, 2);
      rows.forEach((row, at) => {
        row.name.textContent = names[at];
        const [start, end] = [place(threshold), place(values[at])].sort((a, b) => a - b);
        row.bar.style.setProperty("--from", start);
        row.bar.style.setProperty("--to", end);
        row.dot.style.setProperty("--dot", place(values[at]));
        row.value.textContent = number(values[at]);
        row.element.className = values[at] >= threshold ? "over" : "under";
        row.element.classList.toggle("best", names[at] === answer.best_class);
      });
    },
  };
}

// p on a logarithmic scale with α on it: { element, update(explanation) }.
export function pScale({ calibration_images: count, alpha }) {
  const lowest = 1 / (count + 1);
  const place = (p) => 1 - Math.log(p) / Math.log(lowest);
  const mark = h("span", { class: "mark" });
  const element = h("div", { class: "p-scale", "aria-hidden": "true" }, h("div", { class: "track" },
    h("span", { class: "zone" }), alpha === null ? null : h("span", { class: "alpha" }, h("span", null, `α = ${alpha}`)), mark),
    h("p", { class: "axis muted" }, h("span", null, `odd: p = ${number(lowest, 2)}`), h("span", null, "ordinary: p = 1")));
  if (alpha !== null) element.style.setProperty("--alpha", Math.min(1, Math.max(0, place(alpha))));
  return {
    element,
    update({ answer }) {
      element.style.setProperty("--p", place(Math.max(answer.p_value, lowest)));
      element.classList.toggle("rejected", answer.rejected);
    },
  };
}

// The charts' first column is as wide as its names need, within reason.
function nameWidth(names) {
  const longest = Math.max(...names.map((name) => name.length));
  return { "--name": `${Math.min(14, Math.max(2, longest)) * 0.55 + 0.6}rem` };
}

const shownNames = (classNames) => classNames.slice(0, MOST_ROWS);

// Names in label order; of many classes those with the largest shares, largest first.
function ranked(classNames, probabilities) {
  if (classNames.length <= MOST_ROWS) return classNames;
  return [...classNames].sort((a, b) => probabilities[b] - probabilities[a]).slice(0, MOST_ROWS);
}

function showRest(element, count, share) {
  element.hidden = count <= 0;
  if (count > 0) element.textContent = `${count} more classes share ${percent(Math.max(share, 0))}.`;
}

// From where to where bars run: 0 … 1, but closer where all are nearly the same.
function zoom(shares) {
  const [least, most] = [Math.min(...shares), Math.max(...shares)];
  if (most - least > 0.1) return [0, Math.max(most, 0.5)];
  const room = Math.max(most - least, 1e-6) * 0.15;
  return [Math.max(0, least - room), most + room];
}

function span(values) {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const room = Math.max(most - least, 1e-9) * 0.06;
  return [least - room, most + room];
}

function chartRows(names) {
  return names.map((text) => {
    const name = h("th", { scope: "row" }, h("span", null, text));
    const bar = h("span", { class: "fill" });
    const dot = h("span", { class: "dot" });
    const value = h("td", { class: "value" });
    const element = h("tr", null, name, h("td", { class: "cell", "aria-hidden": "true" }, bar, dot), value);
    return { element, name: name.firstChild, bar, dot, value };
  });
}

function table(caption, [first, last], rows) {
  const head = h("tr", null, h("th", { scope: "col" }, first), h("td", { "aria-hidden": "true" }), h("th", { scope: "col" }, last));
  return h("table", { class: "chart" }, h("caption", { class: "unseen" }, caption),
    h("colgroup", null, h("col", { class: "names" }), h("col"), h("col", { class: "values" })), h("thead", { class: "unseen" }, head),
    h("tbody", null, rows.map((row) => row.element)));
}

