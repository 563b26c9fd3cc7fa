// Small helpers: elements from code (never from strings of HTML), and Slack's markup as elements.
import { moment } from "./dates.js";

export function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "dataset") Object.assign(node.dataset, value);
    else if (name in node && name !== "list" && typeof value !== "string") node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const EMOJI = {
  tada: "🎉", eyes: "👀", white_check_mark: "✅", heavy_check_mark: "✔️", lock: "🔒", email: "✉️", envelope: "✉️",
  warning: "⚠️", ticket: "🎫", thumbsup: "👍", "+1": "👍", "-1": "👎", hourglass: "⌛", hourglass_flowing_sand: "⏳",
  incoming_envelope: "📨", outbox_tray: "📤", inbox_tray: "📥", speech_balloon: "💬", x: "❌", wave: "👋", smile: "😄",
  heart: "❤️", fire: "🔥", question: "❓", pushpin: "📌", paperclip: "📎", red_circle: "🔴", large_green_circle: "🟢",
  large_yellow_circle: "🟡", large_blue_circle: "🔵", white_circle: "⚪", memo: "📝", bell: "🔔", no_entry: "⛔", thinking_face: "🤔",
  black_circle: "⚫", arrow_up: "⬆️", arrow_right: "➡️", rotating_light: "🚨", writing_hand: "✍️", zzz: "💤", grey_question: "❔", link: "🔗",
  scroll: "📜", wastebasket: "🗑️", bar_chart: "📊",
  pray: "🙏", rocket: "🚀", raised_hands: "🙌", arrows_counterclockwise: "🔄", mailbox: "📫", robot_face: "🤖", slightly_smiling_face: "🙂",
};

// For machines without an emoji font: older signs that text fonts have.
const PLAIN = { white_check_mark: "✔", heavy_check_mark: "✔", incoming_envelope: "✉", email: "✉", envelope: "✉", warning: "⚠", x: "✖", hourglass: "⌛", hourglass_flowing_sand: "⌛", no_entry: "⊘", heart: "♥", memo: "✎", arrow_up: "↑", arrow_right: "→", grey_question: "?" };
const DOTS = { red_circle: "#c0392b", large_green_circle: "#2e9e6b", large_yellow_circle: "#d9a514", large_blue_circle: "#2f7fd0", white_circle: "#c6ced8", black_circle: "#222b36" };

/** An emoji, else an older sign or a dot, else its name, by what the machine can draw. */
export function emoji(name) {
  const sign = EMOJI[name.split("::")[0]];
  const drawable = [sign, PLAIN[name]].find((one) => one && canDraw(one));
  if (drawable || !DOTS[name]) return drawable || h("span", { class: "emoji-name" }, name);
  const dot = h("span", { class: "dot", role: "img", "aria-label": name });
  dot.style.background = DOTS[name];
  return dot;
}

const known = new Map();
function pixels(text) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 24;
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.font = "18px system-ui, sans-serif";
  pen.fillText(text, 0, 18);
  return pen.getImageData(0, 0, 24, 24).data;
}
function canDraw(sign) {
  if (!known.has(sign)) known.set(sign, isDrawn(sign.replace("\ufe0f", "")));
  return known.get(sign);
}
// What no font has is drawn as a box; emoji that are there have colours.
function isDrawn(sign) {
  const data = pixels(sign);
  if (data.some((_, at) => at % 4 === 0 && data[at + 3] && (data[at] !== data[at + 1] || data[at + 1] !== data[at + 2]))) return true;
  return sign.codePointAt(0) < 0x10000 && data.join() !== pixels("\uffff").join() && data.join() !== pixels("\u2fff").join();
}

const PATHS = {
  lock: "M5 11h14v9H5zM8 11V8a4 4 0 0 1 8 0v3",
  clip: "M20 11l-8 8a5 5 0 0 1-7-7l8-8a3.4 3.4 0 0 1 5 5l-8 8a1.8 1.8 0 0 1-2.500-2.500l7-7",
  speech: "M4 5h16v11H10l-4 4v-4H4z",
  pencil: "M4 20l1-4L16 5l3 3L8 19zM14 7l3 3",
  bin: "M5 7h14M9 7V4h6v3M7 7l1 13h8l1-13",
  file: "M6 3h8l4 4v14H6zM14 3v4h4",
  image: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4",
};
/** A small line drawing: fonts for such signs are missing on many machines. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

const unescape = (text) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

function token(body, names) {
  const [target, label] = body.split(/\|(.*)/s);
  if (target.startsWith("@")) return h("span", { class: "mention" }, `@${names[target.slice(1)] || target.slice(1)}`);
  if (target.startsWith("#")) return h("span", { class: "mention" }, `#${names[target.slice(1)] || label || target.slice(1)}`);
  const date = /^!date\^(\d+)\^([^^]+)/.exec(target);
  if (date) return moment(Number(date[1]), unescape(date[2]), unescape(label || ""));
  if (target.startsWith("!")) return h("span", { class: "mention" }, unescape(label || `@${target.slice(1)}`));
  return link(unescape(target), unescape(label || target));
}

export function link(url, label) {
  const safe = /^(https?|mailto):/i.test(url);
  return safe ? h("a", { href: url, target: "_blank", rel: "noopener" }, label) : document.createTextNode(label);
}

const INLINE = /<([^<>\n]+)>|`([^`\n]+)`|(?<![\w*])\*([^*\n]+)\*(?![\w*])|(?<!\w)_([^_\n]+)_(?!\w)|(?<!\w)~([^~\n]+)~(?!\w)|:([a-z+][\w+'-]*):/g;

function inline(text, names) {
  const out = [];
  let at = 0;
  for (const match of text.matchAll(INLINE)) {
    out.push(unescape(text.slice(at, match.index)));
    const [all, angle, code, bold, italic, strike, name] = match;
    if (angle) out.push(token(angle, names));
    else if (code) out.push(h("code", {}, unescape(code)));
    else if (bold) out.push(h("b", {}, inline(bold, names)));
    else if (italic) out.push(h("i", {}, inline(italic, names)));
    else if (strike) out.push(h("s", {}, inline(strike, names)));
    else out.push(emoji(name));
    at = match.index + all.length;
  }
  out.push(unescape(text.slice(at)));
  return out;
}

/** mrkdwn as elements: fences, quotes, lines. */
export function mrkdwn(text, names) {
  return text.split("```").map((part, index) => {
    if (index % 2) return h("pre", {}, unescape(part.replace(/^\n|\n$/g, "")));
    const out = [];
    let quote = null;
    part.split("\n").forEach((line, number) => {
      const quoted = /^(&gt;|>) ?/.exec(line);
      if (quoted) {
        if (!quote) out.push((quote = h("blockquote")));
        else quote.append(h("br"));
        quote.append(...inline(line.slice(quoted[0].length), names));
      } else {
        if (number && !quote) out.push(h("br"));
        quote = null;
        out.push(...inline(line, names));
      }
    });
    return out;
  });
}

function richInline(items, names) {
  return items.map((item) => {
    const style = item.style || {};
    let node;
    if (item.type === "user") node = h("span", { class: "mention" }, `@${names[item.user_id] || item.user_id}`);
    else if (item.type === "channel") node = h("span", { class: "mention" }, `#${names[item.channel_id] || item.channel_id}`);
    else if (item.type === "broadcast") node = h("span", { class: "mention" }, `@${item.range}`);
    else if (item.type === "emoji") node = h("span", {}, emoji(item.name));
    else if (item.type === "link") node = link(item.url, item.text || item.url);
    else node = document.createTextNode(item.text || item.fallback || "");
    if (style.code) node = h("code", {}, node);
    if (style.bold) node = h("b", {}, node);
    if (style.italic) node = h("i", {}, node);
    if (style.strike) node = h("s", {}, node);
    return node;
  });
}

export function richText(block, names) {
  return block.elements.map((part) => {
    const inner = part.elements || [];
    if (part.type === "rich_text_list") {
      const items = inner.map((item) => h("li", {}, richInline(item.elements || [], names)));
      return h(part.style === "ordered" ? "ol" : "ul", { class: `indent${part.indent || 0}` }, items);
    }
    const tag = { rich_text_quote: "blockquote", rich_text_preformatted: "pre" }[part.type] || "div";
    return h(tag, { class: "rich" }, richInline(inner, names));
  });
}

export const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
export const size = (bytes) => (bytes < 1024 ? `${bytes} B` : bytes < 1048576 ? `${(bytes / 1024).toFixed(1)} KB` : `${(bytes / 1048576).toFixed(1)} MB`);

/** Replace a list's content only when its data changed, so that an open menu stays open. */
const drawn = new WeakMap();
export function draw(node, data, make) {
  const key = JSON.stringify(data);
  if (drawn.get(node) === key) return false;
  drawn.set(node, key);
  node.replaceChildren(...[make()].flat(Infinity).filter(Boolean));
  return true;
}
export const forget = (node) => drawn.delete(node);
