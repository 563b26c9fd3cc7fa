// What staff's pages do beside what they do without a script: keys, a ticket that stays up to date, drafts that stay.
"use strict";

(() => {
  const EVERY = 12_000; // milliseconds between two looks at a ticket
  const LONGEST = 300_000; // while the server is away
  const LIVE = ["facts", "desk", "conversation", "history"]; // the parts of a ticket's page that are fetched anew
  const one = (selector, inside = document) => inside.querySelector(selector);
  const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];

  function stored(storage, name, value) {
    try { // a browser may have storage switched off
      if (value === undefined) return storage().getItem(name);
      if (value === null) storage().removeItem(name);
      else storage().setItem(name, value);
    } catch { /* then nothing is remembered */ }
    return null;
  }
  const local = () => window.localStorage;
  const session = () => window.sessionStorage;

  // -- the box in which one writes ----------------------------------------------------------------------------------

  const box = () => one("textarea[name=message]");
  const mine = `draft:${one(".who")?.dataset.user || ""}:`; // the next one to sign in here is shown none of them
  const draft = mine + location.pathname;

  function forgetDrafts(whose) {
    try {
      const names = Object.keys(session()).filter((name) => name.startsWith("draft:") && whose(name));
      for (const name of names) session().removeItem(name);
    } catch { /* nothing was remembered */ }
  }

  function keepDraftsOwn() {
    forgetDrafts((name) => !name.startsWith(mine));
    for (const form of all("form[action='/ui/sign-out']")) form.addEventListener("submit", () => forgetDrafts(() => true));
  }

  const note = () => one("input[name=visibility][value=note]");

  function write(visibility) {
    const field = box();
    if (!field) return false;
    // What is typed as a note doesn't become an answer by a key.
    if (note() && (visibility === "note" || !field.value)) note().checked = visibility === "note";
    field.focus();
    field.scrollIntoView({ block: "center" });
    return true;
  }

  function keepDraft() {
    const field = box();
    if (!field) return;
    let sent = false;
    const kept = JSON.parse(stored(session, draft) || "null");
    if (kept && !field.value) {
      field.value = kept.text;
      if (note()) note().checked = kept.note;
    }
    for (const form of [field.form, ...all("form[action='/ui/sign-out']")]) {
      form.addEventListener("submit", (event) => {
        if (event.submitter?.matches("[data-canned]")) return; // nothing is sent yet
        sent = true;
        stored(session, draft, null);
      });
    }
    window.addEventListener("pagehide", () => {
      const typed = !sent && field.value && field.value !== field.defaultValue;
      if (!sent) stored(session, draft, typed ? JSON.stringify({ text: field.value, note: Boolean(note()?.checked) }) : null);
    });
    if (location.hash === "#answer") write("public");
    if (location.hash === "#new-note") write("note");
  }

  document.addEventListener("submit", async (event) => {
    const button = event.submitter?.closest("[data-canned]");
    const field = box();
    if (!button || !field || button.dataset.plain) return;
    event.preventDefault();
    const name = encodeURIComponent(one("#canned").value);
    try {
      const answer = await fetch(`${button.getAttribute("formaction")}/${name}`, { headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(answer.statusText);
      const { text } = await answer.json();
      const before = field.value.trimEnd();
      field.value = before ? `${before}\n\n${text}` : text;
      field.focus();
      field.scrollIntoView({ block: "center" });
    } catch {
      button.dataset.plain = "yes"; // as without a script: the server fills the box
      button.form.requestSubmit(button);
    }
  });

  // -- keys ---------------------------------------------------------------------------------------------------------

  const rows = () => all("table.tickets tbody tr");

  function step(by) {
    const list = rows();
    if (!list.length) return false;
    const at = list.findIndex((row) => row.contains(document.activeElement));
    const next = list[at < 0 ? (by > 0 ? 0 : list.length - 1) : Math.min(Math.max(at + by, 0), list.length - 1)];
    one(".title a", next).focus();
    next.scrollIntoView({ block: "nearest" });
    return true;
  }

  function open(hash) {
    const row = rows().find((row) => row.contains(document.activeElement));
    if (!row) return false;
    location.href = one(".title a", row).href + hash;
    return true;
  }

  function find() {
    const field = one("#q");
    if (field) { field.focus(); field.select(); } else location.href = "/";
    return true;
  }

  function help() {
    const dialog = one("#keys");
    if (dialog && !dialog.open) dialog.showModal();
    return Boolean(dialog);
  }

  const KEYS = {
    j: () => step(1),
    k: () => step(-1),
    r: () => write("public") || open("#answer"),
    n: () => write("note") || open("#new-note"),
    u: () => { if (one("#desk")) location.href = "/"; return true; },
    "/": find,
    "?": help,
  };

  const on = () => stored(local, "keys") !== "off";

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select, [contenteditable], dialog");
    if (event.key === "Escape" && event.target.matches("textarea, input") && !event.target.closest("dialog")) {
      event.target.blur();
    }
    if (typing || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || !on()) return;
    if (Object.hasOwn(KEYS, event.key) && KEYS[event.key]()) event.preventDefault();
  });

  function keysDialog() {
    const hint = one(".keys-hint"), tick = one("#keys-on");
    if (!hint || !tick) return;
    hint.hidden = false;
    one("[data-keys]", hint).addEventListener("click", help);
    tick.checked = on();
    tick.addEventListener("change", () => stored(local, "keys", tick.checked ? null : "off"));
  }

  // -- a ticket that stays up to date -------------------------------------------------------------------------------

  let wait = EVERY, timer = 0, over = false;

  const shown = () => one("#desk")?.dataset;

  async function look() {
    if (over || document.hidden || !shown()) return;
    try {
      const { ticket, version } = shown();
      const answer = await fetch(`/ui/tickets/${ticket}/version`, {
        headers: { Accept: "application/json", "If-None-Match": `"${version}"` },
        cache: "no-store",
        redirect: "manual",
      });
      if (answer.type === "opaqueredirect" || [401, 403, 404].includes(answer.status)) { over = true; return; }
      if (answer.status >= 400) throw new Error(answer.statusText);
      wait = EVERY;
      if (answer.status === 200 && String((await answer.json()).version) !== shown().version) one("#news").hidden = false;
    } catch {
      wait = Math.min(wait * 2, LONGEST); // the server is away
    }
    again();
  }

  function again() {
    clearTimeout(timer);
    if (!over && !document.hidden) timer = setTimeout(look, wait);
  }

  const nameOf = (field) => `${field.form?.getAttribute("action")} ${field.name}`;
  function isTyped(field) {
    if (field.tagName !== "SELECT") return field.type !== "hidden" && field.value !== field.defaultValue;
    return field.selectedIndex !== Math.max([...field.options].findIndex((option) => option.defaultSelected), 0);
  }

  async function refresh() {
    const typed = new Map(all("#desk input, #desk select").filter(isTyped).map((f) => [nameOf(f), f.value]));
    const opened = one("#desk details")?.open;
    try {
      const answer = await fetch(location.pathname + location.search, { headers: { Accept: "text/html" }, cache: "no-store" });
      if (!answer.ok || answer.redirected) throw new Error(answer.statusText);
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (!one("#conversation", fresh) || !one("#conversation")) throw new Error("not a ticket");
      for (const id of LIVE) {
        const part = document.getElementById(id), other = fresh.getElementById(id);
        if (part && other) part.replaceWith(document.adoptNode(other));
      }
    } catch {
      location.reload(); // the draft is kept
      return;
    }
    for (const field of all("#desk input, #desk select")) {
      if (field.type !== "hidden" && typed.has(nameOf(field))) field.value = typed.get(nameOf(field));
    }
    if (opened) one("#desk details").open = true;
    one("#news").hidden = true;
    const newest = one("#conversation article:last-of-type") || one("#conversation");
    newest.tabIndex = -1;
    newest.focus();
  }

  if (shown()) {
    one("[data-reload]").addEventListener("click", refresh);
    document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); else clearTimeout(timer); });
    again();
  }
  keepDraftsOwn();
  keepDraft();
  keysDialog();
})();
