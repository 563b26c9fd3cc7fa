// The switches that break things, and the one that mends them all.
import { draw, h } from "./dom.js";

const $ = (id) => document.getElementById(id);
const asked = new Map(); // how often pressed and not answered yet: what was pushed before that doesn't turn them back
let page;

export function start(given) {
  page = given;
  $("break").addEventListener("click", () => open($("trouble").hidden));
  $("trouble-close").addEventListener("click", () => { open(false); $("break").focus(); });
  $("mend").addEventListener("click", async () => {
    if (await page.post("/sandbox/mend", {})) page.toast("Everything works again.");
  });
  $("trouble").addEventListener("keydown", (event) => { if (event.key === "Escape") { open(false); $("break").focus(); } });
  open(sessionStorage.getItem("trouble") === "open");
}

function open(yes) {
  $("trouble").hidden = !yes;
  $("break").setAttribute("aria-expanded", String(yes));
  sessionStorage.setItem("trouble", yes ? "open" : "");
}

export function show(switches) {
  const broken = switches.filter((s) => s.on);
  $("break").classList.toggle("broken", broken.length > 0);
  const text = broken.length ? `Break it: ${broken.length} broken` : "Break it";
  if ($("break").textContent !== text) $("break").textContent = text;
  $("break").title = broken.map((s) => s.label).join(", ");
  $("mend").disabled = broken.length === 0;
  if (!$("switches").children.length) $("switches").append(...switches.map(line));
  for (const one of switches) update(one);
}

// Made once and then changed in place: whoever stands on a switch with the keyboard stays there.
function line(one) {
  const box = h("input", { type: "checkbox", id: `switch-${one.name}`, "aria-describedby": `about-${one.name}` });
  box.addEventListener("change", async () => {
    asked.set(one.name, (asked.get(one.name) || 0) + 1);
    const on = box.checked;
    const done = await page.post(`/sandbox/break/${one.name}`, { on });
    asked.set(one.name, asked.get(one.name) - 1);
    if (!done) box.checked = !on;
  });
  return h("li", { id: `line-${one.name}` }, h("label", {}, box, one.label),
    h("p", { id: `about-${one.name}` }, `${one.what} ${one.then}`), h("p", { class: "struck", role: "status" }));
}

function update(one) {
  const li = $(`line-${one.name}`);
  li.classList.toggle("on", one.on);
  if (!asked.get(one.name)) $(`switch-${one.name}`).checked = one.on;
  const times = one.met === 1 ? "once" : `${one.met} times`;
  draw(li.querySelector(".struck"), [one.on, one.met], () => [one.on ? (one.met ? `On. It struck ${times}.` : "On. It hasn't struck yet.") : one.met ? `Off again. It struck ${times}.` : ""]);
}
