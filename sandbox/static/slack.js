// The workspace's side of the page.
import { blocks, filledIn } from "./blocks.js";
import { clock, draw, emoji, forget, h, icon, mrkdwn, size } from "./dom.js";

const $ = (id) => document.getElementById(id);
const read = JSON.parse(sessionStorage.getItem("read") || "{}");
let page;

export function start(given) {
  page = given;
  $("person").addEventListener("change", () => page.go({ as: $("person").value, thread: "" }));
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
  $("modal").addEventListener("cancel", (event) => { event.preventDefault(); closeModal(); });
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
  list($("messages"), slack.messages, slack, slack.channel.id);
  $("thread").hidden = !slack.thread;
  $("room").classList.toggle("beside", Boolean(slack.thread));
  if (slack.thread) list($("replies"), slack.thread.messages, slack, slack.thread.ts);
  modal(slack);
}

function channelLine(channel, slack) {
  const unread = channel.id !== slack.channel.id && channel.newest > (read[`${slack.me} ${channel.id}`] || "");
  return h("li", {}, h("button", {
    type: "button", class: unread ? "unread" : "", "aria-current": channel.id === slack.channel.id ? "true" : false,
    onclick: () => page.go({ channel: channel.id, thread: "" }),
  }, h("span", { class: `sign ${channel.kind}`, "aria-hidden": "true" }, sign(channel.kind)), channel.label));
}

const sign = (kind) => (kind === "group" ? icon("lock") : { channel: "#", im: "●" }[kind]);

function list(node, messages, slack, place) {
  const atEnd = node.scrollHeight - node.scrollTop - node.clientHeight < 60 || node.dataset.place !== place;
  node.dataset.place = place;
  if (draw(node, [messages, slack.me, slack.names], () => messages.map((m) => message(m, slack, node.id === "replies")))) {
    if (atEnd) node.scrollTop = node.scrollHeight;
  }
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
    names: slack.names, people: slack.people, selected: m.selected,
    act: (action_id, value) => act("click", { channel: slack.channel.id, ts: m.ts, action_id, value }),
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
    m.own ? tool("Edit the message", icon("pencil"), () => edit(m, li, where, slack)) : null,
    m.own ? tool("Delete the message", icon("bin"), () => window.confirm("Delete this message?") && act("delete", where)) : null);
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

// -- modals --------------------------------------------------------------------------------------------------

const closeModal = () => act("close_modal", { view: page.state.slack.modal.id });

function modal(slack) {
  const box = $("modal");
  const view = slack.modal;
  if (!view) { if (box.open) box.close(); forget(box); return; }
  draw(box, [view.id, view.hash, view.errors], () => modalForm(view, slack));
  if (!box.open) box.showModal();
}

function modalForm(view, slack) {
  const context = {
    names: slack.names, people: slack.people, selected: {}, errors: view.errors,
    act: (action_id, value) => act("click_in_view", { view: view.id, action_id, value }),
  };
  const form = h("form", { class: "modal-form" }, h("h2", {}, view.title ? view.title.text : ""), blocks(view.blocks, context),
    h("div", { class: "under" }, h("button", { type: "button", onclick: closeModal }, view.close ? view.close.text : "Cancel"),
      view.submit ? h("button", { class: "primary" }, view.submit.text) : null));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    act("submit", { view: view.id, values: filledIn(form) });
  });
  return form;
}
