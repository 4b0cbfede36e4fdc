// Small parts of the operating point's view.

import { h, replace } from "../lib/dom.js";
import { percent } from "../lib/format.js";

// A view's own style sheet, once.
export function styles(name) {
  const href = new URL(name, import.meta.url).href;
  if ([...document.styleSheets].some((sheet) => sheet.href === href)) return;
  if (document.querySelector(`link[data-view="${name}"]`)) return;
  document.head.append(h("link", { rel: "stylesheet", href, "data-view": name }));
}

// A share of two digits as a percentage: 0.017 → "1.7 %".
export function twoDigits(share) {
  return percent(share, Math.max(0, 1 - Math.floor(Math.log10(100 * share) + 1e-9)));
}

// A word of a shell's command line.
export function quoted(text) {
  return /^[\w./-]+$/.test(text) && !text.startsWith("-") ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

// A picture that is drawn anew, by draw(width), when there is more or less room for it: its letters keep their size.
export function fitted(attrs, draw) {
  const place = h("div", attrs);
  let drawn = 0;
  new ResizeObserver(([{ contentRect }]) => {
    const width = Math.max(260, Math.round(contentRect.width));
    if (contentRect.width === 0 || width === drawn) return;
    drawn = width;
    replace(place, draw(width));
  }).observe(place);
  return place;
}

export function field(text, input) {
  return h("p", { class: "field" }, h("label", { for: input.id }, text), input);
}

export function command(text, app) {
  const code = h("code", null, text);
  const button = h("button", { type: "button", class: "copy", "aria-label": "Copy the command" }, "Copy");
  button.addEventListener("click", async () => {
    let said = "Copied";
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      getSelection().selectAllChildren(code); // no clipboard on a page without TLS: the reader copies
      said = "Selected";
    }
    button.textContent = said;
    app.announce(`${said}: ${text}`);
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
  return h("div", { class: "command" }, h("pre", { tabindex: 0, role: "group", "aria-label": "Command" }, code), button);
}
