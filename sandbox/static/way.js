// Between the mailbox and the workspace: a ticket's way through the desk, from the inbox row to the deliveries.
import { clock, draw, h } from "./dom.js";

const $ = (id) => document.getElementById(id);
const GOOD = ["done", "sent", "delivered"];
const BAD = ["failed", "dead", "cancelled", "bounced", "quarantined"];
const QUIET = ["ignored"];
let page;
let chosen = null;
let known = new Set();

export function start(given) {
  page = given;
  $("way-ticket").addEventListener("change", () => { chosen = Number($("way-ticket").value) || null; refresh(); });
  (async function forever() {
    for (;;) {
      if (!document.hidden) await refresh();
      await new Promise((next) => setTimeout(next, 1000));
    }
  })();
}

export async function refresh() {
  const answer = await fetch(`/sandbox/way${chosen ? `?ticket=${chosen}` : ""}`).catch(() => null);
  if (!answer || !answer.ok) return;
  const way = await answer.json();
  if (!way.watched || way.error) { say(way.error ? `The desk can't be read now (${way.error}).` : "No desk lets itself be watched here."); return; }
  say("");
  page.way = way;
  show(way);
  page.looked();
}

function say(text) {
  if ($("way-note").textContent !== text) $("way-note").textContent = text;
}

function show(way) {
  const options = [h("option", { value: "", selected: !chosen }, way.tickets.length ? "the newest ticket" : "no ticket yet")];
  draw($("way-ticket"), [way.tickets.map((t) => [t.id, t.title]), chosen], () => [...options,
    ...way.tickets.map((t) => h("option", { value: String(t.id), selected: t.id === chosen }, `#${t.id} ${t.title}`))]);
  const ticket = way.tickets.find((t) => t.id === way.ticket);
  draw($("way-facts"), ticket || null, () => (ticket ? facts(ticket) : []));
  const rows = [...way.loose.map((arrival) => ({ arrival, message: null, deliveries: [] })), ...way.steps];
  const seen = new Set(rows.map(name));
  draw($("way-steps"), rows, () => (rows.length ? rows.map((row) => step(row, known.size > 0 && !known.has(name(row)))) : empty()));
  known = seen;
}

const name = (row) => (row.arrival ? `in ${row.arrival.id}` : row.message ? `message ${row.message.id}` : "whole");
const empty = () => h("li", { class: "empty" }, "Nothing came in yet: write a mail, or a message to the bot.");

function facts(t) {
  return [`#${t.id} `, state(t.status), ` ${t.queue}, ${t.assignee ? `with ${t.assignee}` : "nobody's"}`, t.rated ? `, rated ${t.rated[0]} of 5` : ""];
}

function state(word) {
  const kind = GOOD.includes(word) ? "good" : BAD.includes(word) ? "bad" : QUIET.includes(word) || ["open", "pending", "resolved", "closed"].includes(word) ? "" : "wait";
  return h("span", { class: `state ${kind}` }, word);
}

const tries = (n) => (n > 1 ? `, ${n} tries` : "");

function step(row, fresh) {
  return h("li", { class: fresh ? "fresh" : "" }, arrival(row), message(row), sendings(row));
}

function arrival({ arrival: a, message: m }) {
  if (!a) return h("div", { class: "stage none" }, m ? "Not through the inbox" : "For the ticket as a whole");
  return h("div", { class: "stage" }, h("b", {}, `Inbox ${a.id}`), ` by ${a.door} `, state(a.state), ` ${clock(a.at)}${tries(a.attempts)}`,
    a.reason && a.state !== "done" ? h("q", {}, ` ${a.reason}`) : null);
}

function message({ arrival: a, message: m }) {
  if (!m) return h("div", { class: "stage none" }, !a ? "Cards, notices, signs" : GOOD.includes(a.state) ? "No message: something was pressed" : "No message yet");
  return h("div", { class: "stage" }, h("b", {}, `Message ${m.seq}`), ` by ${m.author}`, m.visibility === "public" ? "" : [" ", state(m.visibility)], h("q", {}, ` ${m.text}`));
}

function sendings({ message: m, deliveries }) {
  if (!deliveries.length) return h("div", { class: "stage none" }, m ? "Nothing to send" : "What follows goes with the ticket as a whole");
  return h("div", { class: "stage" }, h("ul", { class: "sendings" }, deliveries.map((d) => h("li", {},
    h("b", {}, `${d.channel} ${d.kind}`), " ", state(d.state), tries(d.attempts), due(d), d.error && d.state !== "sent" ? h("q", {}, ` ${d.error}`) : null))));
}

const due = (d) => (d.state === "queued" && d.due_at && d.attempts ? `, again at ${new Date(d.due_at * 1000).toLocaleTimeString()}` : "");
