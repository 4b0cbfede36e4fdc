// The inbox: images that were rejected, alike ones together, to be labelled, put aside or deleted.

import { h, replace } from "../lib/dom.js";
import { whole } from "../lib/format.js";
import { Card } from "./inbox-card.js";
import { driftChart } from "./inbox-drift.js";
import { command, styles } from "./operating-parts.js";

export const id = "inbox";
export const title = "Inbox";

const WATCH = 10_000; // milliseconds between two looks whether more has come
let view = null;

export function mount(root, app) {
  styles("inbox.css");
  root.classList.add("inbox");
  if (app.backend.inbox === null) replace(root, noInbox(app));
  else view = new Inbox(root, app);
}

export function show() {
  view?.show();
}

export function hide() {
  view?.hide();
}

function noInbox(app) {
  const where = app.backend.kind === "browser" ? "This page has no server behind it, so nothing is kept." : "This server keeps no images.";
  return h(
    "div", { class: "notice" }, h("h2", null, "No inbox"),
    h("p", null, `${where} A server that is started so keeps what it rejects, for a while, to be looked at here:`),
    command("euinet serve MODEL --inbox FOLDER", app),
  );
}

class Inbox {
  constructor(root, app) {
    this.root = root;
    this.app = app;
    this.api = app.backend.inbox;
    this.kind = "new";
    this.message = h("p", { class: "said", tabindex: -1, role: "status" });
    this.head = h("section", { class: "card head", "aria-labelledby": "inbox-title" });
    this.drift = h("section", { class: "card drift", "aria-labelledby": "drift-title" });
    this.cards = h("div", { class: "groups" });
    this.names = h("datalist", { id: "inbox-names" });
    replace(root, this.head, this.message, this.cards, this.drift, this.names);
  }

  show() {
    this.load();
    this.timer = setInterval(() => this.watch(), WATCH);
  }

  hide() {
    clearInterval(this.timer);
  }

  // Each failure is said, and the view stays as it was.
  async trying(work) {
    try {
      return await work();
    } catch (error) {
      this.say(error.message, true);
      return null;
    }
  }

  say(text, problem = false) {
    this.message.classList.toggle("problem", problem);
    replace(this.message, text);
    this.app.announce(text);
  }

  async load() {
    await this.trying(async () => {
      const [summary, found, drift] = await Promise.all([
        this.api.json("GET", ""), this.api.json("GET", "/groups"), this.api.json("GET", "/drift"),
      ]);
      Object.assign(this, { summary, groups: found.groups, alarm: drift.alarm });
      replace(this.names, [...new Set([...Object.keys(summary.labels), ...summary.class_names])].map((name) => h("option", { value: name })));
      this.showHead();
      this.showCards();
      replace(this.drift, driftChart(drift));
    });
  }

  async watch() {
    if (document.hidden || !this.summary) return;
    const now = await this.api.json("GET", "").catch(() => null); // the next look will tell, or the user's next act
    const come = now ? now.images - this.summary.images : 0;
    this.more.hidden = come <= 0;
    if (come > 0) replace(this.more, `${whole(come)} more: look again`);
  }

  showHead() {
    const { summary } = this;
    const kinds = [["new", "To look at", summary.new], ["labelled", "Labelled", summary.labelled], ["nuisance", "Nuisances", summary.nuisance]];
    this.more = h("button", { type: "button", hidden: true, onclick: () => this.load() });
    const undo = h("button", { type: "button", disabled: !summary.last_action, title: summary.last_action ?? "", onclick: () => this.undo() }, "Undo");
    const out = h("button", { type: "button", class: "primary", disabled: !summary.labelled, onclick: () => this.download() }, "Export labelled images");
    const switches = kinds.map(([kind, text, count]) =>
      h("button", { type: "button", "aria-pressed": String(this.kind === kind), "data-kind": kind, onclick: () => this.choose(kind) }, `${text} (${whole(count)})`));
    const { limits } = summary;
    replace(
      this.head, h("h2", { id: "inbox-title" }, "What was rejected"),
      h("div", { class: "switches", role: "group", "aria-label": "Which images" }, switches), h("div", { class: "acts" }, this.more, undo, out),
      this.alarm ? h("p", { class: "alarm" }, "Drift: images look different, see below.") : null,
      summary.failure ? h("p", { class: "problem" }, `Nothing is kept at the moment: ${summary.failure}`) : null,
      h("p", { class: "muted" },
        `Kept as small pictures of what the network read: at most ${whole(limits.images)}, for ${whole(limits.days)} days, labelled ones for ${whole(limits.labelled_days)}. ` +
        "Deleting is for good."),
      summary.labelled ? this.next() : null,
    );
  }

  next() {
    return h(
      "details", null, h("summary", null, "From here to a new class"),
      h("p", null, "Put the labelled images beside those that the model was trained on, one folder a class, and train again. FOLDER is the server’s --inbox, DATA the folder of training images."),
      command("euinet inbox export FOLDER --out DATA", this.app),
      command(`euinet train --data DATA --image-size ${this.app.model.image_size} --out runs/with-new-class`, this.app),
    );
  }

  choose(kind) {
    this.kind = kind;
    this.showHead();
    this.showCards();
    this.head.querySelector(`[data-kind="${kind}"]`).focus();
  }

  showCards() {
    for (const card of this.shown ?? []) card.close();
    this.shown = this.wanted().map((what) => new Card(this, what));
    replace(this.cards, this.shown.length ? this.shown.map((card) => card.element) : this.empty());
  }

  wanted() {
    if (this.kind === "labelled") {
      return Object.entries(this.summary.labels).map(([label, size]) => ({ title: label, size, query: `label=${encodeURIComponent(label)}&status=labelled`, about: "", label }));
    }
    if (this.kind === "nuisance") {
      return this.summary.nuisance ? [{ title: "Nuisances", size: this.summary.nuisance, query: "status=nuisance", about: "Nobody need look at these again; equal images are counted here.", nuisance: true }] : [];
    }
    return this.groups.map((group) => ({
      title: group.id ? `Group ${group.id}` : "Unlike any other", size: group.size, query: `group=${group.id}&status=new`,
      about: takenFor(group), group: group.id, keys: group.representatives,
    }));
  }

  empty() {
    const texts = {
      new: ["Nothing to look at", "Images that the model rejects come here by themselves, those that look alike together. Draw something that it does not know and put it in, or send images to the server."],
      labelled: ["Nothing is labelled yet", "Give a group a class’s name, a new one or one that the model knows: it can then be exported and learned."],
      nuisance: ["No nuisances", "Mark here what nobody need look at again: blank pages, dirt on the lens."],
    };
    const [head, text] = texts[this.kind];
    return h("div", { class: "notice" }, h("h2", null, head), h("p", null, text));
  }

  // One change, then everything anew; the message takes the focus, for its card may be gone.
  async change(path, body) {
    const done = await this.trying(() => this.api.json("POST", path, body));
    if (done === null) return;
    await this.load();
    const what = done.what ?? "There was nothing to take back";
    this.say(`${path === "/undo" && done.what ? "Taken back: " : ""}${what[0].toUpperCase()}${what.slice(1)}.`);
    this.message.focus();
  }

  undo() {
    return this.change("/undo");
  }

  download() {
    return this.trying(async () => {
      const response = await this.api.json("GET", "/export.zip");
      const address = URL.createObjectURL(await response.blob());
      h("a", { href: address, download: "inbox.zip" }).click();
      setTimeout(() => URL.revokeObjectURL(address), 60_000);
      this.say("The labelled images are in inbox.zip, one folder a class.");
    });
  }
}

// Sorted here: an object's keys that look like numbers come in their own order.
function takenFor({ best_classes: counts }) {
  const found = Object.entries(counts).sort((a, b) => b[1] - a[1]);
  const words = found.slice(0, 4).map(([name, count]) => `${name} (${whole(count)})`);
  return `Nearest classes: ${words.join(", ")}${found.length > 4 ? " …" : "."}`;
}
