// The shell: which backend answers, the tabs, the theme, and what the views share.
//
// A view is a module in views/ that exports { id, title, mount(root, app), show(), hide() }. `app` is
//   backend    who answers (backends/server.js says how)
//   model      the model's facts
//   decisions  the last explanations of this visit, at most 100, newest last
//   on(event, f)    "decision" (an explanation was added to `decisions`, or its newest was replaced), "theme"
//   announce(text)  say it to those who cannot see it
//   h(tag, attrs, ...children)  make an element
//   decide(explanation, replaces)  put one into `decisions`, in place of the newest where that is asked for

import { openBrowser } from "./backends/browser.js";
import { keepToken, openServer } from "./backends/server.js";
import { h, replace } from "./lib/dom.js";

const VIEWS = ["draw", "operating", "inbox"];
const THEMES = ["system", "light", "dark"];
const MOST_DECISIONS = 100;

start().catch(fail);

async function start() {
  const views = Promise.all(VIEWS.map(load)); // while the backend is asked
  const config = await (await fetch("config.json")).json();
  const backend = await (config.backend === "browser" ? openBrowser() : openServer(config));
  const app = makeApp(backend);
  const loaded = await views;
  document.getElementById("loading").remove();
  describe(app);
  setUpTheme(app);
  document.getElementById("shell").hidden = false;
  setUpViews(app, loaded);
  performance.mark("euinet-ready");
}

function makeApp(backend) {
  const listeners = new Map();
  const app = {
    backend,
    model: backend.model(),
    decisions: [],
    h,
    on: (event, listener) => listeners.set(event, [...(listeners.get(event) ?? []), listener]),
    emit: (event, ...values) => (listeners.get(event) ?? []).forEach((listener) => listener(...values)),
    announce: speaker(document.getElementById("live")),
    decide(explanation, replaces) {
      if (replaces) app.decisions.pop();
      app.decisions.push(explanation);
      if (app.decisions.length > MOST_DECISIONS) app.decisions.shift();
      app.emit("decision", explanation);
    },
  };
  return app;
}

// Says the last of several texts that come in quick succession.
function speaker(element) {
  let timer = 0;
  return (text) => {
    clearTimeout(timer);
    timer = setTimeout(() => (element.textContent = text), 250);
  };
}

function describe({ model, backend }) {
  const knows = `knows ${model.class_names.slice(0, 12).join(", ")}${model.class_names.length > 12 ? " …" : ""}`;
  const unseen = model.held_out.length ? `; never saw ${model.held_out.join(", ")}` : "";
  document.title = `EuiNet · ${model.name}`;
  document.getElementById("model-name").textContent = model.name;
  document.getElementById("model-about").textContent = knows + unseen;
  document.querySelector(".about").title = `${model.name} ${knows}${unseen}`;
  const where =
    backend.kind === "browser"
      ? "The model runs in this browser: nothing that you draw or choose leaves it."
      : "The model runs on the server that this page came from.";
  const api = backend.kind === "server" ? [" Programs ask it by its ", h("a", { href: "docs" }, "HTTP API"), "."] : null;
  replace(document.getElementById("where"), where, api, ` EuiNet ${model.euinet_version}.`);
}

function setUpTheme(app) {
  const button = document.getElementById("theme");
  const root = document.documentElement;
  const show = () => {
    const chosen = { light: "Light", dark: "Dark" }[root.dataset.theme] ?? "Auto";
    document.getElementById("theme-name").textContent = chosen;
    button.setAttribute("aria-label", `Theme: ${chosen}`);
  };
  button.addEventListener("click", () => {
    const next = THEMES[(THEMES.indexOf(root.dataset.theme ?? "system") + 1) % THEMES.length];
    if (next === "system") delete root.dataset.theme;
    else root.dataset.theme = next;
    try {
      localStorage.setItem("euinet-theme", next);
    } catch {
      // storage is switched off: the choice lasts as long as the page
    }
    show();
    app.emit("theme");
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => app.emit("theme"));
  show();
}

function setUpViews(app, views) {
  const tabs = document.getElementById("tabs");
  const main = document.getElementById("main");
  const parts = views.map((view) => {
    const tab = h("button", { type: "button", role: "tab", id: `tab-${view.id}`, "aria-controls": `view-${view.id}` }, view.title);
    const root = h("div", { role: "tabpanel", id: `view-${view.id}`, "aria-labelledby": `tab-${view.id}`, hidden: true });
    tabs.append(tab);
    main.append(root);
    return { view, tab, root, mounted: false };
  });
  let shown = null;
  const go = (id) => {
    const next = parts.find((part) => part.view.id === id) ?? parts[0];
    if (next === shown) return;
    shown?.view.hide();
    for (const part of parts) {
      part.tab.setAttribute("aria-selected", part === next);
      part.tab.tabIndex = part === next ? 0 : -1;
      part.root.hidden = part !== next;
    }
    shown = next;
    if (!next.mounted) next.view.mount(next.root, app);
    next.mounted = true;
    next.view.show();
  };
  const follow = () => go(location.hash.slice(1));
  for (const { tab, view } of parts) tab.addEventListener("click", () => (location.hash = view.id));
  tabs.addEventListener("keydown", (event) => moveAmongTabs(event, parts));
  addEventListener("hashchange", follow);
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault(); // the address after # names the view
    main.focus();
  });
  follow();
}

function moveAmongTabs(event, parts) {
  const at = parts.findIndex(({ tab }) => tab === document.activeElement);
  const last = parts.length - 1;
  const to = { ArrowRight: at === last ? 0 : at + 1, ArrowLeft: at === 0 ? last : at - 1, Home: 0, End: last }[event.key];
  if (to === undefined || at < 0) return;
  event.preventDefault();
  parts[to].tab.focus();
  location.hash = parts[to].view.id;
}

async function load(name) {
  try {
    return await import(`./views/${name}.js`);
  } catch (error) {
    return missing(name, error);
  }
}

// A view whose file is not there, or does not load, costs itself and nothing else.
function missing(id, error) {
  return {
    id,
    title: id[0].toUpperCase() + id.slice(1),
    mount: (root) =>
      replace(root, h("div", { class: "notice" }, h("h2", null, "This view could not be loaded"), h("p", null, error.message))),
    show() {},
    hide() {},
  };
}

function fail(error) {
  const place = document.getElementById("loading");
  if (error.status === 401) return askForToken(place);
  const message = error.status === undefined ? "The page's own files cannot be read: load it again." : error.message;
  return replace(place, message, " ", h("button", { type: "button", onclick: () => location.reload() }, "Try again"));
}

// The server wants its API token; it is kept until the browser's tab is closed.
function askForToken(place) {
  const input = h("input", { type: "password", autocomplete: "off", required: true, id: "token" });
  const send = (event) => {
    event.preventDefault();
    keepToken(input.value);
    location.reload();
  };
  replace(
    place,
    h("form", { onsubmit: send, class: "token" },
      h("label", { for: "token" }, "This server asks for its token."), input, h("button", { type: "submit" }, "Go on")),
  );
  input.focus();
}
