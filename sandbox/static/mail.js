// The mailbox's side of the page.
import { clock, draw, h, icon, size } from "./dom.js";

const $ = (id) => document.getElementById(id);
let page;
let open = { id: null, as: "text" };
let replyTo = null;

export function start(given) {
  page = given;
  $("customer").addEventListener("change", () => { open = { id: null, as: "text" }; page.go({ customer: $("customer").value.trim() }); });
  $("write").addEventListener("click", () => write(null));
  $("letter-cancel").addEventListener("click", () => $("letter").close());
  $("letter-form").elements.client.addEventListener("change", () => { localStorage.setItem("client", $("letter-form").elements.client.value); tell(); });
  $("letter-form").addEventListener("submit", (event) => { event.preventDefault(); send(); });
}

export function show(mail, desk) {
  if (document.activeElement !== $("customer")) $("customer").value = mail.customer;
  draw($("customers"), mail.customers, () => mail.customers.map((address) => h("option", { value: address })));
  draw($("mails"), [mail.mails, open.id], () => (mail.mails.length ? mail.mails.map(line) : h("li", { class: "empty" }, `No mail yet. Write one to ${desk.address}.`)));
  if (open.id === null && mail.mails.length) read(mail.mails[0].id);
  if (!mail.mails.length) draw($("reader"), "empty", () => []);
}

const name = (address) => address.replace(/\s*<[^>]*>/, "").replaceAll('"', "") || address;

function line(mail) {
  return h("li", {}, h("button", { type: "button", class: mail.sent ? "sent" : "", "aria-current": mail.id === open.id ? "true" : false, onclick: () => read(mail.id) },
    h("span", { class: "who" }, mail.sent ? `To ${name(mail.to)}` : name(mail.from)), h("time", {}, clock(mail.at)),
    h("span", { class: "subject" }, mail.subject || "(no subject)", mail.files ? [" ", icon("clip")] : ""), h("span", { class: "snippet" }, mail.snippet)));
}

async function read(id, as = null) {
  const answer = await fetch(`/sandbox/mails/${id}`);
  if (!answer.ok) return;
  const mail = await answer.json();
  open = { id, as: as || (mail.html ? "html" : "text") };
  const source = open.as === "source" ? await (await fetch(`/sandbox/mails/${id}/source`)).text() : "";
  draw($("reader"), [mail, open.as], () => letter(mail, source));
  if (page.state) show(page.state.mail, page.state.desk);
}

function letter(mail, source) {
  const tab = (as, label) => h("button", { type: "button", "aria-pressed": String(open.as === as), onclick: () => read(mail.id, as) }, label);
  const body = {
    html: () => h("iframe", { src: `/sandbox/mails/${mail.id}/html`, sandbox: "allow-popups allow-popups-to-escape-sandbox", title: "The mail as HTML" }),
    text: () => h("pre", { class: "plain" }, mail.text || "(no text part)"),
    source: () => h("pre", { class: "source" }, source),
  }[open.as];
  return [
    h("div", { class: "reader-head" }, h("h3", {}, mail.subject || "(no subject)"),
      mail.sent ? null : h("button", { type: "button", class: "primary", onclick: () => write(mail) }, "Reply")),
    h("dl", {}, mail.headers.filter(([key]) => ["From", "To", "Cc", "Date"].includes(key)).map(([key, value]) => [h("dt", {}, key), h("dd", {}, value)])),
    h("div", { class: "tabs", role: "group", "aria-label": "Show the mail as" }, mail.html ? tab("html", "HTML") : null, tab("text", "Text"), tab("source", "Source")),
    body(),
    mail.files.length ? h("div", { class: "files" }, mail.files.map((f) => h("a", { class: "file", href: `/sandbox/mails/${mail.id}/parts/${f.part}` }, h("span", {}, icon("clip"), f.name), h("small", {}, size(f.size))))) : null,
  ];
}

function write(mail) {
  const form = $("letter-form").elements;
  $("letter-form").reset();
  replyTo = mail ? mail.id : null;
  $("letter-title").textContent = mail ? "Reply" : "Write a mail";
  form.from.value = page.state.mail.customer;
  form.to.value = mail ? mail.reply.to : page.state.desk.address;
  form.subject.value = mail ? mail.reply.subject : "";
  form.client.replaceChildren(...page.state.mail.clients.map((c) => h("option", { value: c.name }, c.label)));
  form.client.value = localStorage.getItem("client") || "gmail";
  tell();
  $("letter-error").textContent = "";
  $("letter").showModal();
  (mail ? form.text : form.subject).focus();
}

/** What an answer looks like that this mail program writes. */
function tell() {
  const client = page.state.mail.clients.find((c) => c.name === $("letter-form").elements.client.value);
  $("letter-note").textContent = replyTo ? client.about : "";
}

async function send() {
  const data = new FormData($("letter-form"));
  if (replyTo) data.set("reply_to", replyTo);
  $("letter-send").disabled = true;
  const answer = await fetch("/sandbox/mail", { method: "POST", body: data });
  $("letter-send").disabled = false;
  const said = await answer.json().catch(() => ({ error: `status ${answer.status}` }));
  if (!answer.ok) { $("letter-error").textContent = said.error; return; }
  $("letter").close();
  page.toast("Sent.");
  page.go({ customer: data.get("from") });
  read(said.id);
}
