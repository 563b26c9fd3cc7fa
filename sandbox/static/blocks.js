// Block Kit as elements, close to how Slack shows it.
import { h, icon, inlineText, mrkdwn, richText } from "./blocktext.js";

const textOf = (object, names) => (object.type === "mrkdwn" ? mrkdwn(object.text, names) : inlineText(object.text));

/** `act(action_id, value)` is called for a click or a choice. */
export function blocks(list, context) {
  return list.map((block) => one(block, context));
}

function one(block, context) {
  const { names } = context;
  switch (block.type) {
    case "header":
      return h("h4", { class: "b-header" }, inlineText(block.text.text));
    case "divider":
      return h("hr");
    case "section":
      return section(block, context);
    case "context":
      return h("div", { class: "b-context" }, block.elements.map((e) => (e.type === "image" ? image(e, "tiny") : h("span", {}, textOf(e, names)))));
    case "actions":
      return h("div", { class: "b-actions" }, block.elements.map((e) => element(e, context)));
    case "image":
      return h("figure", {}, block.title ? h("figcaption", {}, block.title.text) : null, image(block, "wide"));
    case "markdown":
      return h("div", { class: "b-markdown" }, block.text.split("\n").map((line) => h("div", {}, line || "\u00a0")));
    case "rich_text":
      return h("div", { class: "b-rich" }, richText(block, names));
    case "input":
      return input(block, context);
    default:
      return h("div", { class: "b-other" }, `[${block.type}]`);
  }
}

function section(block, context) {
  const { names } = context;
  const body = h("div", { class: "b-text" },
    block.text ? h("div", {}, textOf(block.text, names)) : null,
    block.fields ? h("div", { class: "b-fields" }, block.fields.map((field) => h("div", {}, textOf(field, names)))) : null);
  return h("div", { class: "b-section" }, body, block.accessory ? element(block.accessory, context) : null);
}

function image(item, kind) {
  const own = item.slack_file && (item.slack_file.id || (/-(F[0-9A-F]+)\//.exec(item.slack_file.url || "") || [])[1]);
  if (own) return h("img", { class: kind, src: `/sandbox/files/${own}`, alt: item.alt_text });
  return h("span", { class: "no-image" }, icon("image"), item.alt_text);
}

export function element(item, context) {
  const { act, selected } = context;
  const confirmed = () => !item.confirm || window.confirm(`${item.confirm.title.text}\n\n${item.confirm.text.text}`);
  if (item.type === "button") {
    const press = () => {
      if (!confirmed()) return;
      if (item.url) window.open(item.url, "_blank", "noopener");
      act(item.action_id, null);
    };
    return h("button", { type: "button", class: `b-button ${item.style || ""}`, "aria-label": item.accessibility_label, onclick: press }, inlineText(item.text.text));
  }
  if (item.type === "image") return image(item, "accessory");
  const options = choices(item, context);
  if (options) return select(item, options, selected, (value) => confirmed() && act(item.action_id, value));
  return h("span", { class: "b-other" }, `[${item.type}]`);
}

function choices(item, context) {
  if (item.type === "users_select" || item.type === "multi_users_select") return context.people.map((p) => ({ value: p.id, text: p.real_name }));
  if (item.options || item.option_groups) {
    const all = [...(item.options || []), ...(item.option_groups || []).flatMap((group) => group.options)];
    return all.map((option) => ({ value: option.value, text: option.text.text }));
  }
  return null;
}

function chosen(item, selected) {
  const state = selected[item.action_id] || {};
  const option = state.selected_option || item.initial_option;
  return (option && option.value) || state.selected_user || item.initial_user || "";
}

function select(item, options, selected, choose) {
  const label = item.type === "overflow" ? "⋯" : (item.placeholder && item.placeholder.text) || "Choose";
  const now = item.type === "overflow" ? "" : chosen(item, selected);
  const node = h("select", { class: `b-select ${item.type}`, "aria-label": item.type === "overflow" ? "More" : label },
    h("option", { value: "" }, label), options.map((o) => h("option", { value: o.value, selected: o.value === now }, o.text)));
  node.addEventListener("change", () => {
    if (node.value) choose(node.value);
    if (item.type === "overflow") node.value = "";
  });
  return node;
}

// -- inputs of a modal ---------------------------------------------------------------------------------------

function input(block, context) {
  const item = block.element;
  const key = item.action_id;
  const options = choices(item, context);
  let field;
  if (item.type === "checkboxes" || item.type === "radio_buttons") {
    const kind = item.type === "checkboxes" ? "checkbox" : "radio";
    const initial = (item.initial_options || (item.initial_option ? [item.initial_option] : [])).map((o) => o.value);
    field = h("div", { class: "choices" }, options.map((o) => h("label", {}, h("input", { type: kind, name: key, value: o.value, checked: initial.includes(o.value) }), ` ${o.text}`)));
  } else if (options) {
    const now = chosen(item, {});
    field = h("select", { name: key, multiple: item.type.startsWith("multi_") }, item.type.startsWith("multi_") ? null : h("option", { value: "" }, (item.placeholder || {}).text || ""), options.map((o) => h("option", { value: o.value, selected: o.value === now }, o.text)));
  } else if (item.multiline) {
    field = h("textarea", { name: key, rows: "5" });
  } else {
    const kind = { datepicker: "date", timepicker: "time", email_text_input: "email", url_text_input: "url", number_input: "number" }[item.type] || "text";
    field = h("input", { name: key, type: kind });
  }
  if (item.initial_value && "value" in field) field.value = item.initial_value;
  if (item.placeholder && field.tagName !== "SELECT" && field.tagName !== "DIV") field.placeholder = item.placeholder.text;
  field.dataset.key = key;
  field.dataset.kind = item.type;
  const error = context.errors && context.errors[block.block_id];
  return h("label", { class: "b-input" }, h("span", {}, block.label.text, block.optional ? h("em", {}, " (optional)") : null), field,
    block.hint ? h("small", {}, block.hint.text) : null, error ? h("span", { class: "error", role: "alert" }, error) : null);
}

/** What stands in a modal's inputs, by action_id. */
export function filledIn(form) {
  const values = {};
  for (const field of form.querySelectorAll("[data-key]")) {
    const { key, kind } = field.dataset;
    if (kind === "checkboxes") values[key] = [...field.querySelectorAll(":checked")].map((box) => box.value);
    else if (kind === "radio_buttons") values[key] = (field.querySelector(":checked") || {}).value || null;
    else if (kind.startsWith("multi_")) values[key] = [...field.selectedOptions].map((option) => option.value);
    else values[key] = field.value || null;
  }
  return values;
}
