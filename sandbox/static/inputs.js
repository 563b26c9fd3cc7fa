// What can be chosen and filled in: the same fields stand in messages, home tabs and forms.
import { h } from "./blocktext.js";

/** What a select offers; null for what isn't one. */
export function choices(item, context) {
  if (/users_select$/.test(item.type)) return context.people.map((p) => ({ value: p.id, text: p.real_name }));
  if (/(channels|conversations)_select$/.test(item.type)) return context.channels.map((c) => ({ value: c.id, text: c.label }));
  if (item.options || item.option_groups) {
    const all = [...(item.options || []), ...(item.option_groups || []).flatMap((group) => group.options)];
    return all.map((option) => ({ value: option.value, text: option.text.text, about: option.description && option.description.text }));
  }
  return null;
}

const ONE = ["selected_user", "selected_channel", "selected_conversation", "selected_date", "selected_time", "selected_date_time"];
const MANY = ["users", "channels", "conversations"];
/** What stands in an element now, as a list of values. */
export function chosen(item, state) {
  const now = state || {};
  const option = state ? now.selected_option : item.initial_option;
  const options = state ? now.selected_options : item.initial_options;
  if (options) return options.map((o) => o.value);
  if (option) return [option.value];
  for (const key of ONE) {
    const value = state ? now[key] : item[key.replace("selected", "initial")];
    if (value) return [String(value)];
  }
  for (const name of MANY) {
    const list = state ? now[`selected_${name}`] : item[`initial_${name}`];
    if (list) return list;
  }
  return [];
}

/** A field for an element; `data-key` and `data-kind` say what it is, `valueOf` reads it. */
export function field(item, context, name) {
  const state = context.selected[item.action_id];
  const made = build(item, context, chosen(item, state), name);
  if (state && typeof state.value === "string" && "value" in made) made.value = state.value;
  made.dataset.key = item.action_id;
  made.dataset.kind = item.type;
  return made;
}

const INPUT = { datepicker: "date", timepicker: "time", datetimepicker: "datetime-local", email_text_input: "email", url_text_input: "url", number_input: "number" };

function build(item, context, now, name) {
  const hint = (item.placeholder && item.placeholder.text) || "";
  if (item.type === "checkboxes" || item.type === "radio_buttons") return boxes(item, context, now, name);
  if (item.type.endsWith("external_select")) return external(item, context, name, hint);
  const options = choices(item, context);
  if (options) {
    const many = item.type.startsWith("multi_");
    return h("select", { "aria-label": name || hint || "Choose", multiple: many }, many ? null : h("option", { value: "" }, hint || "Choose"),
      options.map((o) => h("option", { value: o.value, selected: now.includes(o.value) }, o.text)));
  }
  if (item.type === "file_input") {
    const endings = (item.filetypes || []).map((ending) => `.${ending}`).join();
    return h("input", { type: "file", multiple: item.max_files !== 1, accept: endings || null, "aria-label": name });
  }
  const made = item.multiline ? h("textarea", { rows: "5" }) : h("input", { type: INPUT[item.type] || "text" });
  if (item.type === "number_input" && item.is_decimal_allowed) made.step = "any";
  const initial = item.initial_value || now[0] || "";
  made.value = item.type === "datetimepicker" && initial ? local(Number(initial)) : initial;
  if (hint) made.placeholder = hint;
  if (name || hint) made.setAttribute("aria-label", name || hint);
  return made;
}

const local = (seconds) => new Date(seconds * 1000 - new Date().getTimezoneOffset() * 60000).toISOString().slice(0, 16);

function boxes(item, context, now, name) {
  const kind = item.type === "checkboxes" ? "checkbox" : "radio";
  const group = `${item.action_id} ${Math.random()}`;
  return h("div", { class: "choices", role: "group", "aria-label": name }, choices(item, context).map((o) => h("label", {},
    h("input", { type: kind, name: group, value: o.value, checked: now.includes(o.value) }), ` ${o.text}`, o.about ? h("small", {}, ` ${o.about}`) : null)));
}

/** Type, and the app says what there is. */
function external(item, context, name, hint) {
  const list = h("select", { "aria-label": name || hint || "Choose", multiple: item.type.startsWith("multi_") }, h("option", { value: "" }, "…"));
  const search = h("input", { type: "search", placeholder: hint || "Search", "aria-label": `Search: ${name || hint}` });
  const offer = (options) => list.replaceChildren(h("option", { value: "" }, options.length ? "Choose" : "Nothing found"),
    ...options.map((o) => h("option", { value: JSON.stringify(o) }, o.text.text)));
  let timer;
  search.addEventListener("input", (event) => {
    event.stopPropagation();
    clearTimeout(timer);
    if (search.value.length >= (item.min_query_length ?? 3)) timer = setTimeout(async () => offer(await context.suggest(item.action_id, search.value)), 200);
  });
  search.addEventListener("change", (event) => event.stopPropagation());
  const before = context.selected[item.action_id] ? context.selected[item.action_id].selected_option : item.initial_option;
  if (before) list.prepend(h("option", { value: JSON.stringify(before), selected: true }, before.text.text));
  return h("span", { class: "b-external" }, search, list);
}

/** What stands in a field, as the driver takes it. */
export function valueOf(node) {
  const { kind } = node.dataset;
  if (kind === "checkboxes") return [...node.querySelectorAll(":checked")].map((box) => box.value);
  if (kind === "radio_buttons") return (node.querySelector(":checked") || {}).value || null;
  if (kind.endsWith("external_select")) {
    const picked = [...node.querySelector("select").selectedOptions].filter((o) => o.value).map((o) => JSON.parse(o.value));
    return kind.startsWith("multi_") ? picked : picked[0] || null;
  }
  if (kind.startsWith("multi_")) return [...node.selectedOptions].map((option) => option.value);
  if (kind === "datetimepicker") return node.value ? Math.floor(new Date(node.value).getTime() / 1000) : null;
  return node.value || null;
}

/** An input block: its label, its field, its hint and what was wrong with it. */
export function input(block, context) {
  const item = block.element;
  const label = block.label.text;
  const id = `${block.block_id} ${JSON.stringify(item)}`;
  const made = (context.fields && context.fields.get(id)) || field(item, context, label);
  if (context.fields && !context.fields.has(id)) {
    context.fields.set(id, made);
    if (block.dispatch_action) made.addEventListener("change", () => context.act(item.action_id, valueOf(made)));
  }
  const error = context.errors && context.errors[block.block_id];
  return h(made.tagName === "DIV" || made.tagName === "SPAN" ? "div" : "label", { class: "b-input" },
    h("span", {}, label, block.optional ? h("em", {}, " (optional)") : null), made,
    block.hint ? h("small", {}, block.hint.text) : null, error ? h("span", { class: "error", role: "alert" }, error) : null);
}

/** What stands in a form's fields, by action_id, and the files that were chosen. */
export function filledIn(form) {
  const values = {};
  const files = [];
  for (const node of form.querySelectorAll("[data-key]")) {
    if (node.closest(".b-input") === null) continue;
    if (node.dataset.kind === "file_input") files.push(...[...node.files].map((file) => [node.dataset.key, file]));
    else values[node.dataset.key] = valueOf(node);
  }
  return { values, files };
}
