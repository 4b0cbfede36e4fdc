// p-values over time: how many are low, hour by hour, and the alarm.

import { h, svg } from "../lib/dom.js";
import { percent, whole } from "../lib/format.js";
import { fitted } from "./operating-parts.js";

const HOURS = 48;
const HOUR = 3600; // seconds
const HEIGHT = 170;
const LEFT = 46;
const BASE = HEIGHT - 26;
const LOW = 0.05; // about that share of known images has a p-value as low as this

export function driftChart(drift) {
  const parts = [h("h2", { id: "drift-title" }, "Is the world still as it was?"), h("p", { class: drift.alarm ? "alarm" : null, role: drift.alarm ? "alert" : null }, drift.sentence)];
  if (!drift.hours.length && !drift.days.length) return parts;
  return [
    ...parts, fitted(null, (width) => picture(drift.hours, width)),
    h("p", { class: "muted" }, `Each bar: the share of an hour’s images with p ≤ 0.05; of images like the calibration ones that is about ${percent(LOW, 0)}, the line. ${drift.false_alarms}`),
    h("details", null, h("summary", null, "As a table"), table([...drift.days, ...drift.hours].sort((a, b) => b.start - a.start))),
  ];
}

function picture(hours, width) {
  const end = Math.floor(Date.now() / 1000 / HOUR) + 1;
  const wide = (width - LEFT) / HOURS;
  const top = Math.max(0.2, ...hours.map((hour) => hour.low));
  const y = (share) => BASE - (share / top) * (BASE - 12);
  const x = (start) => LEFT + (HOURS - (end - start / HOUR)) * wide;
  const recent = hours.filter((hour) => hour.start / HOUR >= end - HOURS);
  const bars = recent.map((hour) =>
    svg("rect", { x: x(hour.start) + 1, y: Math.min(y(hour.low), BASE - 2), width: Math.max(2, wide - 2), height: Math.max(2, BASE - y(hour.low)), rx: 2, class: hour.alarm ? "bar alarm" : "bar" }));
  const rules = [LOW, top].map((share) => [
    svg("line", { x1: LEFT, x2: width, y1: y(share), y2: y(share), class: share === LOW ? "expected" : "rule" }),
    svg("text", { x: LEFT - 8, y: y(share) + 4, "text-anchor": "end" }, percent(share, 0)),
  ]);
  const alarms = recent.filter((hour) => hour.alarm).length;
  const said = `The last ${HOURS} hours: ${recent.length} with images, ${alarms} with an alarm. The table below has the numbers.`;
  return svg(
    "svg", { viewBox: `0 0 ${width} ${HEIGHT}`, height: HEIGHT, role: "img", "aria-labelledby": "drift-title drift-text", class: "drift-picture" }, svg("desc", { id: "drift-text" }, said),
    svg("g", { "aria-hidden": true }, rules, svg("line", { x1: LEFT, x2: width, y1: BASE, y2: BASE, class: "rule" }), bars,
      svg("text", { x: LEFT, y: HEIGHT - 6 }, `${HOURS} hours ago`), svg("text", { x: width, y: HEIGHT - 6, "text-anchor": "end" }, "now")),
  );
}

function table(windows) {
  const heads = ["From", "Length", "Images", "Rejected", "p ≤ 0.05", ""];
  const rows = windows.map((one) =>
    h("tr", null, h("th", { scope: "row" }, new Date(1000 * one.start).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" })),
      [one.hours === 24 ? "1 day" : "1 hour", whole(one.images), whole(one.rejected), percent(one.low), one.alarm ? "ALARM" : one.over ? "" : "not over"].map((text) => h("td", null, text))));
  return h("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "p-values by hour and day" },
    h("table", null, h("thead", null, h("tr", null, heads.map((text) => (text ? h("th", { scope: "col" }, text) : h("td"))))), h("tbody", null, rows)));
}
