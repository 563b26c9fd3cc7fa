// The page: asks for its state each second, and shows what changed.
import { pass } from "./dates.js";
import * as mail from "./mail.js";
import * as slack from "./slack.js";
import * as tour from "./tour.js";
import * as trouble from "./trouble.js";
import * as way from "./way.js";

const $ = (id) => document.getElementById(id);

/** What the address says; a link into the workspace names nobody, and is looked at by who was chosen last. */
function whereabouts() {
  const said = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  const last = localStorage.getItem("as");
  return last && said.channel ? { as: last, ...said } : said;
}

const page = {
  state: null,
  way: null,
  looked: () => tour.look(),
  where: whereabouts(),

  go(change) {
    Object.assign(this.where, change);
    history.replaceState(null, "", `#${new URLSearchParams(this.where)}`);
    if (change.as) localStorage.setItem("as", change.as);
    return refresh();
  },

  async post(path, body, tell = (text) => this.toast(text)) {
    const form = body instanceof FormData;
    const sent = form ? { body } : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
    const answer = await fetch(path, { method: "POST", ...sent }).catch(() => null);
    if (!answer || !answer.ok) {
      const said = answer ? await answer.json().catch(() => ({})) : {};
      tell(said.error || "That didn't work.");
      return false;
    }
    await refresh();
    return true;
  },

  /** Ask, and have the answer; null where there's none. */
  async ask(path, body) {
    const answer = await fetch(path, { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } }).catch(() => null);
    const said = answer ? await answer.json().catch(() => ({})) : {};
    if (answer && answer.ok) return said;
    this.toast(said.error || "That didn't work.");
    return null;
  },

  toast(text) {
    $("toast").textContent = text;
    $("toast").hidden = false;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => { $("toast").hidden = true; }, 4000);
  },
};

let asked = 0, shown = 0; // an answer that was overtaken isn't shown any more
let pressed = -Infinity;

async function refresh() {
  const mine = ++asked;
  const answer = await fetch(`/sandbox/state?${new URLSearchParams(page.where)}`).catch(() => null);
  if (!answer || !answer.ok) { $("status").textContent = "The sandbox is gone."; return; }
  const state = await answer.json();
  while (performance.now() - pressed < 1000) await new Promise((next) => setTimeout(next, 20));
  if (mine < shown) return;
  shown = mine;
  page.state = state;
  const told = page.state.slack.connected ? "Slack app connected" : "No Slack app connected";
  const text = `${told} · ${page.state.desk.connected ? "mail connected" : "no desk for mail"}`;
  if ($("status").textContent !== text) $("status").textContent = text;
  $("status").className = page.state.slack.connected && page.state.desk.connected ? "good" : "";
  $("desk").hidden = !page.state.desk.url;
  if (page.state.desk.url) $("desk").href = page.state.desk.url;
  slack.show(page.state.slack);
  mail.show(page.state.mail, page.state.desk);
  trouble.show(page.state.trouble);
  tour.look();
  pass();
}

// Nothing is drawn anew while a button is held down: what it was pressed on would be gone when it's let go. No longer
// than a second, as of a menu that opens nobody hears that the button was let go.
document.addEventListener("pointerdown", () => { pressed = performance.now(); }, true);
for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, () => setTimeout(() => { pressed = -Infinity; }), true);

window.addEventListener("hashchange", () => {
  page.where = whereabouts();
  refresh();
});
mail.start(page);
slack.start(page);
trouble.start(page);
tour.start(page);
way.start(page);
(async function forever() {
  for (;;) {
    await refresh();
    await new Promise((next) => setTimeout(next, 1000));
  }
})();
