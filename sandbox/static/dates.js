// Moments as Slack's clients show them, in the reader's own zone: <!date^seconds^{date_short_pretty} {time}|fallback>.
const DAY = 86400;
const LONG = { year: "numeric", month: "long", day: "numeric" };
const SHORT = { year: "numeric", month: "short", day: "numeric" };

const midnight = (when) => new Date(when.getFullYear(), when.getMonth(), when.getDate());
function near(when, otherwise) {
  const days = Math.round((midnight(when) - midnight(new Date())) / (DAY * 1000));
  return { "-1": "yesterday", 0: "today", 1: "tomorrow" }[days] || otherwise;
}
const day = (when, shape) => when.toLocaleDateString("en", shape);

const SHAPES = {
  date_num: (when) => when.toLocaleDateString("sv"),
  date_slash: (when) => when.toLocaleDateString("en"),
  date: (when) => day(when, LONG),
  date_pretty: (when) => near(when, day(when, LONG)),
  date_short: (when) => day(when, SHORT),
  date_short_pretty: (when) => near(when, day(when, SHORT)),
  date_long: (when) => day(when, { weekday: "long", ...LONG }),
  date_long_pretty: (when) => near(when, day(when, { weekday: "long", ...LONG })),
  time: (when) => when.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }),
  time_secs: (when) => when.toLocaleTimeString(),
  ago: (when) => ago((Date.now() - when) / 1000),
};

function ago(seconds) {
  for (const [unit, length] of [["day", DAY], ["hour", 3600], ["minute", 60]]) {
    if (Math.abs(seconds) >= length) return new Intl.RelativeTimeFormat("en").format(-Math.trunc(seconds / length), unit);
  }
  return "just now";
}

const told = (seconds, shape) => shape.replace(/\{(\w+)\}/g, (all, name) => (SHAPES[name] ? SHAPES[name](new Date(seconds * 1000)) : all));

/** A moment as an element, which `pass` keeps true. */
export function moment(seconds, shape, fallback) {
  const node = document.createElement("time");
  Object.assign(node.dataset, { seconds, shape });
  node.title = fallback;
  node.textContent = told(seconds, shape);
  return node;
}

/** Time has passed: what is an age is another one now. */
export function pass() {
  for (const node of document.querySelectorAll("time[data-shape*='{ago}']")) {
    const now = told(Number(node.dataset.seconds), node.dataset.shape);
    if (node.textContent !== now) node.textContent = now;
  }
}
