// One group of images as a card: look, choose some or take all, label, put aside, delete.

import { h, replace } from "../lib/dom.js";
import { whole } from "../lib/format.js";

const PAGE = 120; // images that are shown at a time
const MOST_KEYS = 5000;
const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

export class Card {
  // `what`: title, size, about, query (its images), and group, label or nuisance; keys of some to begin with.
  constructor(inbox, what) {
    this.inbox = inbox;
    this.what = what;
    this.addresses = [];
    this.images = h("div", { class: "images", role: "group", "aria-label": `Images of ${what.title}`, onkeydown: (event) => this.moved(event), onchange: () => this.chose() });
    this.input = h("input", { type: "text", list: "inbox-names", maxlength: 60, required: true, autocomplete: "off", spellcheck: "false", "aria-label": `Class of ${what.title}`, placeholder: "Class, new or known", value: what.label ?? "" });
    this.labelling = h("button", { type: "submit", class: "primary" });
    this.nuisance = h("button", { type: "button", onclick: () => this.put("/nuisance") }, "Nuisance");
    this.deleting = h("button", { type: "button", onclick: () => this.remove(), onblur: () => this.chose() });
    this.all = h("button", { type: "button", onclick: () => this.more() }, "Show all");
    const form = h("form", { class: "label-form", onsubmit: (event) => this.label(event) }, this.input, this.labelling);
    const place = `group-${what.group ?? what.title}`;
    this.element = h(
      "section", { class: "card group", "aria-labelledby": place },
      h("div", { class: "group-head" }, h("h3", { id: place }, what.title), h("span", { class: "muted" }, what.size === 1 ? "1 image" : `${whole(what.size)} images`)),
      what.about ? h("p", { class: "muted" }, what.about) : null, this.images, form,
      h("div", { class: "acts" }, what.nuisance ? null : this.nuisance, this.deleting, this.all),
    );
    this.chose();
    if (what.keys) this.add(what.keys);
    else this.more(12);
  }

  close() {
    this.watcher?.disconnect();
    this.addresses.forEach((address) => URL.revokeObjectURL(address));
  }

  get chosen() {
    return [...this.images.querySelectorAll("input:checked")].map((input) => input.value);
  }

  chose() {
    const count = this.chosen.length;
    const which = count ? `${whole(count)} chosen` : this.what.size === 1 ? "it" : `all ${whole(this.what.size)}`;
    replace(this.labelling, `Label ${which}`);
    replace(this.deleting, `Delete ${which}`);
    this.deleting.classList.remove("sure");
  }

  // Arrow keys go from image to image; Space chooses, as of any checkbox.
  moved(event) {
    const step = STEPS[event.key];
    if (!step) return;
    const inputs = [...this.images.querySelectorAll("input")];
    const next = inputs[inputs.indexOf(document.activeElement) + step];
    if (next) {
      event.preventDefault();
      next.focus();
    }
  }

  add(keys) {
    this.watcher ??= new IntersectionObserver((entries) => {
      for (const { isIntersecting, target } of entries.filter((entry) => entry.isIntersecting)) {
        if (isIntersecting) this.watcher.unobserve(target);
        this.fill(target);
      }
    }, { rootMargin: "1500px" });
    const there = new Set([...this.images.querySelectorAll("input")].map((input) => input.value));
    for (const key of keys.filter((one) => !there.has(one))) {
      const number = this.images.childElementCount + 1;
      const picture = h("img", { alt: "", width: 56, height: 56, "data-key": key });
      this.images.append(h("label", { class: "image" }, h("input", { type: "checkbox", value: key, "aria-label": `Image ${number} of ${this.what.title}` }), picture));
      this.watcher.observe(picture);
    }
    this.all.hidden = this.images.childElementCount >= this.what.size;
    replace(this.all, this.images.childElementCount > 12 ? "Show more" : "Show all");
  }

  // By fetch, which bears the server's token where it needs one; an <img> of its own would not.
  async fill(picture) {
    try {
      const response = await this.inbox.api.json("GET", `/items/${picture.dataset.key}/image`);
      const address = URL.createObjectURL(await response.blob());
      this.addresses.push(address);
      picture.src = address;
    } catch {
      picture.closest("label").classList.add("lost");
    }
  }

  async page(offset, limit) {
    return this.inbox.api.json("GET", `/items?${this.what.query}&offset=${offset}&limit=${limit}`);
  }

  more(limit = PAGE) {
    return this.inbox.trying(async () => {
      // the keys shown first are spread over the group, so a page may repeat some of them
      const { items } = await this.page(this.paged ?? 0, limit);
      this.paged = (this.paged ?? 0) + items.length;
      this.add(items.map((item) => item.key));
    });
  }

  // What is meant: the images chosen, or all of the card as it was when it was shown.
  async meant() {
    const keys = this.chosen;
    if (keys.length) return { keys };
    if (this.what.group !== undefined) return { group: this.what.group, size: this.what.size };
    const all = [];
    for (let offset = 0; offset < Math.min(this.what.size, MOST_KEYS); offset += 500) {
      all.push(...(await this.page(offset, 500)).items.map((item) => item.key));
    }
    return { keys: all.slice(0, MOST_KEYS) };
  }

  label(event) {
    event.preventDefault();
    return this.put("/label", { label: this.input.value });
  }

  // Deleting cannot be undone: the second press does it.
  remove() {
    if (this.deleting.classList.contains("sure")) return this.put("/delete");
    this.deleting.classList.add("sure");
    replace(this.deleting, "Press again to delete for good");
    return null;
  }

  async put(path, more = {}) {
    const meant = await this.inbox.trying(() => this.meant());
    if (meant !== null) await this.inbox.change(path, { ...meant, ...more });
  }
}
