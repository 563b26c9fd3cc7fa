// The workspace's side of the page.
import { blocks } from "./blocks.js";
import { clock, draw, emoji, forget, h, icon, mrkdwn, size } from "./dom.js";
import * as views from "./views.js";

const $ = (id) => document.getElementById(id);
const read = JSON.parse(sessionStorage.getItem("read") || "{}");
let page;

export function start(given) {
  page = given;
  views.start(given);
  $("person").addEventListener("change", () => page.go({ as: $("person").value, thread: "", tab: "" }));
  $("close-thread").addEventListener("click", () => page.go({ thread: "" }));
  for (const form of [$("composer"), $("reply-composer")]) {
    form.addEventListener("submit", (event) => { event.preventDefault(); send(form); });
    form.elements.text.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); send(form); }
    });
    form.elements.files.addEventListener("change", () => {
      form.querySelector(".attach").dataset.count = form.elements.files.files.length || "";
    });
  }
  $("shortcuts").addEventListener("change", () => {
    const [what, name] = $("shortcuts").value.split(/ (.*)/s);
    $("shortcuts").value = "";
    if (what === "do") act("shortcut", { callback_id: name });
    else if (what) {
      $("composer").elements.text.value = `${name} `;
      $("composer").elements.text.focus();
    }
  });
  $("tab-home").addEventListener("click", () => look("home"));
  $("tab-messages").addEventListener("click", () => look("messages"));
}

/** Look at the app: its home tab, or the messages with it. */
async function look(tab) {
  await page.go({ channel: page.state.slack.dm, tab, thread: "" });
  await act("open_home", { tab });
}

async function send(form) {
  const data = new FormData();
  data.set("user", page.state.slack.me);
  data.set("channel", page.state.slack.channel.id);
  data.set("text", form.elements.text.value);
  if (form.id === "reply-composer" && page.state.slack.thread) data.set("thread_ts", page.state.slack.thread.ts);
  for (const file of form.elements.files.files) data.append("files", file);
  if (await page.post("/sandbox/post", data)) {
    form.reset();
    form.querySelector(".attach").dataset.count = "";
  }
}

const act = (name, body) => page.post(`/sandbox/act/${name}`, { user: page.state.slack.me, ...body });

export function show(slack) {
  draw($("person"), [slack.people, slack.me], () => slack.people.map((p) => h("option", { value: p.id, selected: p.id === slack.me }, p.real_name)));
  read[`${slack.me} ${slack.channel.id}`] = slack.channel.newest;
  sessionStorage.setItem("read", JSON.stringify(read));
  draw($("channels"), [slack.channels, slack.channel.id, slack.me], () => slack.channels.map((c) => channelLine(c, slack)));
  draw($("room-title"), slack.channel.id, () => [h("span", { class: `sign ${slack.channel.kind}`, "aria-hidden": "true" }, sign(slack.channel.kind)), slack.channel.label]);
  $("composer").elements.text.placeholder = `Message ${slack.channel.kind === "im" ? "" : "#"}${slack.channel.label}`;
  tabs(slack);
  draw($("shortcuts"), [slack.shortcuts, slack.commands], () => [h("option", { value: "" }, "Shortcuts"),
    h("optgroup", { label: "Shortcuts" }, slack.shortcuts.filter((s) => s.kind === "global").map((s) => h("option", { value: `do ${s.callback_id}` }, s.name))),
    h("optgroup", { label: "Commands" }, slack.commands.map((command) => h("option", { value: `type ${command}` }, command)))]);
  list($("messages"), slack.messages, slack, slack.channel.id);
  $("thread").hidden = !slack.thread;
  $("room").classList.toggle("beside", Boolean(slack.thread));
  if (slack.thread) list($("replies"), slack.thread.messages, slack, slack.thread.ts);
  views.home($("home"), slack);
  views.modal(slack);
}

function tabs(slack) {
  const im = slack.channel.kind === "im";
  const home = im && slack.tab === "home";
  $("tabs").hidden = !im;
  $("tab-home").setAttribute("aria-pressed", String(home));
  $("tab-messages").setAttribute("aria-pressed", String(!home));
  $("home").hidden = !home;
  $("messages").hidden = $("composer").hidden = home;
}

function channelLine(channel, slack) {
  const unread = channel.id !== slack.channel.id && channel.newest > (read[`${slack.me} ${channel.id}`] || "");
  return h("li", {}, h("button", {
    type: "button", class: unread ? "unread" : "", "aria-current": channel.id === slack.channel.id ? "true" : false,
    onclick: () => page.go({ channel: channel.id, thread: "", tab: "" }),
  }, h("span", { class: `sign ${channel.kind}`, "aria-hidden": "true" }, sign(channel.kind)), channel.label));
}

const sign = (kind) => (kind === "group" ? icon("lock") : { channel: "#", im: "●" }[kind]);

function list(node, messages, slack, place) {
  const atEnd = node.scrollHeight - node.scrollTop - node.clientHeight < 60 || node.dataset.place !== place;
  const same = node.dataset.place === place;
  node.dataset.place = place;
  if (same && searching(node)) return;
  if (draw(node, [messages, slack.me, slack.names], () => messages.map((m) => message(m, slack, node.id === "replies")))) {
    if (atEnd) node.scrollTop = node.scrollHeight;
  }
}

/** Whether somebody types there and has chosen nothing yet: what they look for mustn't be drawn away. */
function searching(node) {
  const field = document.activeElement && document.activeElement.closest(".b-external");
  return Boolean(field && node.contains(field) && field.querySelector("input").value && !field.querySelector("select").value);
}

const COLOURS = ["#3a6ea5", "#8a5a9e", "#b5651d", "#2e7d6b", "#a23b54", "#5d6d1f"];
const colour = (name) => COLOURS[[...name].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % COLOURS.length];

function avatar(m) {
  const node = h("span", { class: `avatar ${m.bot ? "app" : ""}`, "aria-hidden": "true" }, m.author.slice(0, 1).toUpperCase());
  if (!m.bot) node.style.background = colour(m.author);
  return node;
}

function message(m, slack, inThread) {
  if (m.subtype === "channel_join" || m.subtype === "channel_leave") return h("li", { class: "joined" }, mrkdwn(m.text, slack.names));
  const head = h("div", { class: "by" }, h("b", {}, m.author), m.bot ? h("span", { class: "tag" }, "APP") : null,
    h("time", {}, clock(Number(m.ts))), m.edited ? h("span", { class: "faint" }, "(edited)") : null,
    m.private ? h("span", { class: "faint" }, "Only visible to you") : null);
  const li = h("li", { class: `message ${m.subtype || ""} ${m.private ? "private" : ""}`, dataset: { ts: m.ts } },
    avatar(m), h("div", { class: "body" }, head, content(m, slack), files(m), reactions(m, slack), replies(m, inThread)));
  if (!m.private && m.subtype !== "tombstone") li.append(tools(m, slack, li, inThread));
  return li;
}

function content(m, slack) {
  const context = {
    names: slack.names, people: slack.people, channels: slack.channels, selected: m.selected,
    act: (action_id, value, block) => act("click", { channel: slack.channel.id, ts: m.ts, action_id, value, block }),
    suggest: (action_id, query) => views.suggest({ channel: slack.channel.id, ts: m.ts, action_id, query }),
  };
  return h("div", { class: "content" }, m.blocks.length ? blocks(m.blocks, context) : mrkdwn(m.text, slack.names));
}

function files(m) {
  if (!m.files.length) return null;
  return h("div", { class: "files" }, m.files.map((f) => {
    if (f.gone) return h("span", { class: "faint" }, "This file was deleted.");
    const inside = f.image ? h("img", { src: `/sandbox/files/${f.id}`, alt: f.name }) : h("span", {}, icon("file"), f.name);
    return h("a", { class: "file", href: `/sandbox/files/${f.id}`, target: "_blank" }, inside, h("small", {}, f.image ? f.name : size(f.size)));
  }));
}

function reactions(m, slack) {
  if (!m.reactions.length) return null;
  const press = (r) => act("react", { channel: slack.channel.id, ts: m.ts, name: r.name, remove: r.mine });
  return h("div", { class: "reactions" }, m.reactions.map((r) => h("button", {
    type: "button", class: r.mine ? "mine" : "", title: `${r.users.join(", ")}: :${r.name}:`, "aria-label": `${r.name}, ${r.users.length}`, onclick: () => press(r),
  }, emoji(r.name), ` ${r.users.length}`)));
}

function replies(m, inThread) {
  if (inThread || !m.replies) return null;
  return h("button", { type: "button", class: "replies", onclick: () => page.go({ thread: m.ts }) },
    `${m.replies} ${m.replies === 1 ? "reply" : "replies"}`, h("span", { class: "faint" }, ` last at ${clock(Number(m.last_reply))}`));
}

function tools(m, slack, li, inThread) {
  const where = { channel: slack.channel.id, ts: m.ts };
  const react = (name) => act("react", { ...where, name, remove: m.reactions.some((r) => r.name === name && r.mine) });
  const tool = (label, sign, onclick) => h("button", { type: "button", title: label, "aria-label": label, onclick }, sign);
  return h("div", { class: "tools" },
    ["eyes", "white_check_mark"].map((name) => tool(`React with ${name}`, emoji(name), () => react(name))),
    inThread ? null : tool("Reply in thread", icon("speech"), () => page.go({ thread: m.ts })),
    menu(slack, where, react),
    m.own ? tool("Edit the message", icon("pencil"), () => edit(m, li, where, slack)) : null,
    m.own ? tool("Delete the message", icon("bin"), () => window.confirm("Delete this message?") && act("delete", where)) : null);
}

const REACTIONS = ["ticket", "+1", "tada", "lock", "email", "warning", "x", "heart"];

/** What a message's menu has: the app's shortcuts, and more reactions. */
function menu(slack, where, react) {
  const shortcuts = slack.shortcuts.filter((s) => s.kind === "message");
  const node = h("select", { class: "menu", "aria-label": "More actions", title: "More actions" }, h("option", { value: "" }, "⋯"),
    shortcuts.length ? h("optgroup", { label: "Shortcuts" }, shortcuts.map((s) => h("option", { value: `do ${s.callback_id}` }, s.name))) : null,
    h("optgroup", { label: "React with" }, REACTIONS.map((name) => h("option", { value: `react ${name}` }, `:${name}:`))));
  node.addEventListener("change", () => {
    const [what, name] = node.value.split(/ (.*)/s);
    node.value = "";
    if (what === "react") react(name);
    else if (what) act("shortcut", { ...where, callback_id: name });
  });
  return node;
}

function edit(m, li, where, slack) {
  const text = m.text.replace(/<mailto:[^|>]*\|([^>]*)>/g, "$1").replace(/<(https?:[^|>]*)>/g, "$1").replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
  const area = h("textarea", { rows: "3", "aria-label": "Edit the message" });
  area.value = text;
  const back = () => { forget(li.parentNode); show(slack); };
  const save = async () => { if (await act("edit", { ...where, text: area.value })) back(); };
  li.querySelector(".content").replaceChildren(area, h("div", { class: "under" }, h("button", { type: "button", onclick: back }, "Cancel"), h("button", { type: "button", class: "primary", onclick: save }, "Save")));
  area.focus();
}
