// Five steps for who is here for the first time. Each knows what to press, and notices when it was done.
import { draw, h } from "./dom.js";

const $ = (id) => document.getElementById(id);
let page;
let tour = null; // {step, since}: `since` is what there was when the step began

const written = () => page.state.mail.written;
const newest = (mails) => mails.reduce((last, mail) => Math.max(last, mail.id), 0);
const ofPeople = () => (page.state.slack.thread ? page.state.slack.thread.messages.filter((m) => !m.bot) : []);
const last = (messages) => messages.reduce((found, m) => (m.ts > found ? m.ts : found), "");
const ratings = () => JSON.stringify((page.way ? page.way.tickets : []).filter((t) => t.rated).map((t) => [t.id, t.rated]));

const STEPS = [
  {
    title: "Write a mail", begin: () => newest(written()), done: (since) => newest(written()) > since, at: () => $("write"),
    text: "You are Carol, a customer. Press “Write a mail”, write a subject and some text, and press “Send mail”. Below, you see your mail come in.",
  },
  {
    title: "See the card", begin: () => "", done: () => Boolean(page.state.slack.thread && page.state.slack.thread.messages[0].bot), at: () => [...document.querySelectorAll("#messages .message [aria-label='Reply in thread']")].pop(),
    text: "Your mail hangs in #triage as a card. Be Ada Lovelace on the right, press “Take” on it if you like, and open its thread: point at the card and press “Reply in thread”.",
  },
  {
    title: "Reply in the thread", begin: () => last(ofPeople()), done: (since) => last(ofPeople()) > since, at: () => $("reply-composer").elements.text,
    text: "Write an answer in the thread and press “Reply”. It goes to Carol by mail; an envelope on your message says that it went. (“note: …” would be for staff alone.)",
  },
  {
    title: "Read it and reply", begin: () => newest(written()), done: (since) => written().some((m) => m.reply && m.id > since), at: () => document.querySelector("#reader .primary") || document.querySelector("#mails button:not(.sent)"),
    text: "On the left lies the answer. Read it, as HTML, text or source, and press “Reply”. Choose a mail program: each quotes in its own way, and the thread shows your new words alone.",
  },
  {
    title: "Resolve and rate", begin: ratings, done: (since) => ratings() !== since, at: () => [...document.querySelectorAll("#messages .b-button")].filter((b) => b.textContent === "Resolve").pop() || $("desk"),
    text: "Press “Resolve” on the card: Carol is told by mail. To rate, press “Open the desk” above, sign in with her address and the link that comes to this mailbox, open the ticket, and say how it went.",
  },
];

const keep = () => localStorage.setItem("tour", JSON.stringify(tour || { over: true }));

export function start(given) {
  page = given;
  $("tour-start").addEventListener("click", () => { tour = { step: 0 }; begin(); show(); $("tour-show").focus(); });
  $("tour-end").addEventListener("click", () => { tour = null; keep(); show(); $("tour-start").focus(); });
  $("tour-skip").addEventListener("click", () => next());
  $("tour-show").addEventListener("click", lead);
  const kept = JSON.parse(localStorage.getItem("tour") || '{"step":0}');
  tour = kept.over ? null : kept;
}

function begin() {
  if (page.state && tour.step < STEPS.length) tour.since = STEPS[tour.step].begin();
  keep();
}

function next() {
  tour.step += 1;
  begin();
  show();
}

/** Put the keyboard where the step's first press is. */
function lead() {
  const node = STEPS[tour.step].at();
  if (!node) { page.toast("It isn't there yet: look at #triage as Ada Lovelace."); return; }
  node.scrollIntoView({ block: "nearest" });
  node.focus();
}

/** Look whether the step was done; called whenever the page has learned something. */
export function look() {
  if (!tour || !page.state) { show(); return; }
  if (tour.since === undefined && tour.step < STEPS.length) begin();
  if (tour.step < STEPS.length && STEPS[tour.step].done(tour.since)) next();
  else show();
}

function show() {
  $("tour").hidden = !tour;
  $("tour-start").hidden = Boolean(tour);
  if (!tour) return;
  const over = tour.step >= STEPS.length;
  draw($("tour-steps"), tour.step, () => STEPS.map((step, n) => h("li", { value: n + 1, class: n < tour.step ? "done" : "", "aria-current": n === tour.step ? "step" : false },
    step.title, n < tour.step ? h("span", { class: "unseen" }, " (done)") : null)));
  const text = over ? "That was the whole way, there and back. Now break something: “Break it” above." : STEPS[tour.step].text;
  if ($("tour-text").textContent !== text) $("tour-text").textContent = text;
  $("tour-show").hidden = $("tour-skip").hidden = over;
}
