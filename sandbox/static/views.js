// Modals and the home tab.
import { blocks } from "./blocks.js";
import { draw, forget, h } from "./dom.js";
import { filledIn } from "./inputs.js";

const $ = (id) => document.getElementById(id);
let page;
let fields = new Map(); // fields that were typed into, by view: what is redrawn keeps them
let shownIn = "";

export function start(given) {
  page = given;
  $("modal").addEventListener("cancel", (event) => { event.preventDefault(); close(); });
}

const act = (name, body) => page.post(`/sandbox/act/${name}`, { user: page.state.slack.me, ...body });
const close = () => act("close_modal", { view: page.state.slack.modal.id });

export async function suggest(body) {
  const answer = await page.ask("/sandbox/suggest", { user: page.state.slack.me, ...body });
  return answer ? answer.options : [];
}

function contextOf(view, slack) {
  return {
    names: slack.names, people: slack.people, channels: slack.channels, values: view.values, errors: view.errors,
    act: (action_id, value, block) => act("click_in_view", { view: view.id, action_id, value, block }),
    suggest: (action_id, query) => suggest({ view: view.id, action_id, query }),
  };
}

export function home(node, slack) {
  const view = slack.home;
  draw(node, [slack.me, view && [view.id, view.hash, view.values], slack.names], () => (view
    ? blocks(view.blocks, contextOf(view, slack))
    : h("p", { class: "note" }, "The app hasn't shown anything here yet.")));
}

export function modal(slack) {
  const box = $("modal");
  const view = slack.modal;
  if (!view) {
    if (box.open) box.close();
    forget(box);
    fields = new Map();
    return;
  }
  const focus = shownIn === view.id && box.contains(document.activeElement) ? document.activeElement : null;
  shownIn = view.id;
  const drawn = draw(box, [view.id, view.hash, view.errors, view.values], () => form(view, slack));
  if (!box.open) box.showModal();
  if (drawn && focus && box.contains(focus)) focus.focus();
}

function form(view, slack) {
  if (!fields.has(view.id)) fields.set(view.id, new Map());
  const context = { ...contextOf(view, slack), fields: fields.get(view.id) };
  const title = h("h2", {}, view.title ? view.title.text : "", view.depth > 1 ? h("span", { class: "faint" }, ` ${view.depth} of 3`) : null);
  const made = h("form", { class: "modal-form", novalidate: true }, title, blocks(view.blocks, context),
    h("p", { class: "error", role: "alert" }),
    h("div", { class: "under" }, h("button", { type: "button", onclick: close }, view.close ? view.close.text : "Cancel"),
      view.submit ? h("button", { class: "primary", disabled: Boolean(view.submit_disabled) }, view.submit.text) : null));
  made.addEventListener("submit", (event) => { event.preventDefault(); send(view, made); });
  return made;
}

async function send(view, made) {
  const { values, files } = filledIn(made);
  const data = new FormData();
  data.set("user", page.state.slack.me);
  data.set("view", view.id);
  data.set("values", JSON.stringify(values));
  for (const [key, file] of files) data.append(`file ${key}`, file);
  const button = made.querySelector("button.primary");
  if (button) button.disabled = true;
  const said = made.querySelector(".under").previousSibling;
  said.textContent = "";
  await page.post("/sandbox/submit", data, (text) => { said.textContent = text; });
  if (button) button.disabled = Boolean(view.submit_disabled);
}
