// Block Kit as elements, close to how Slack shows it.
import { h, icon, inlineText, mrkdwn, richText } from "./blocktext.js";
import { chart } from "./charts.js";
import { field, input, valueOf } from "./inputs.js";

const textOf = (object, names) => (object.type === "mrkdwn" ? mrkdwn(object.text, names) : inlineText(object.text));

/** `context.act(action_id, value, block_id)` is called for a click or a choice: rows of a list share their action_ids. */
export function blocks(list, context) {
  return list.map((block) => one(block, {
    ...context,
    act: (action_id, value) => context.act(action_id, value, block.block_id),
    selected: context.values ? context.values[block.block_id] || {} : context.selected,
  }));
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
    case "context_actions":
      return h("div", { class: "b-actions" }, block.elements.map((e) => element(e, context)));
    case "image":
      return h("figure", {}, block.title ? h("figcaption", {}, block.title.text) : null, image(block, "wide"));
    case "markdown":
      return h("div", { class: "b-markdown" }, block.text.split("\n").map((line) => h("div", {}, line || "\u00a0")));
    case "rich_text":
      return h("div", { class: "b-rich" }, richText(block, names));
    case "input":
      return input(block, context);
    case "data_visualization":
      return chart(block);
    default:
      return h("div", { class: "b-other" }, `[${block.type}]`);
  }
}

function section(block, context) {
  const { names } = context;
  const body = h("div", { class: "b-text" },
    block.text ? h("div", {}, textOf(block.text, names)) : null,
    block.fields ? h("div", { class: "b-fields" }, block.fields.map((one) => h("div", {}, textOf(one, names)))) : null);
  return h("div", { class: "b-section" }, body, block.accessory ? element(block.accessory, context) : null);
}

function image(item, kind) {
  const own = item.slack_file && (item.slack_file.id || (/-(F[0-9A-F]+)\//.exec(item.slack_file.url || "") || [])[1]);
  if (own) return h("img", { class: kind, src: `/sandbox/files/${own}`, alt: item.alt_text });
  return h("span", { class: "no-image" }, icon("image"), item.alt_text);
}

const confirmed = (item) => !item.confirm || window.confirm(`${item.confirm.title.text}\n\n${item.confirm.text.text}`);

function button(item, label, value, context) {
  const press = () => {
    if (!confirmed(item)) return;
    if (item.url) window.open(item.url, "_blank", "noopener");
    context.act(item.action_id, value);
  };
  return h("button", { type: "button", class: `b-button ${item.style || ""}`, "aria-label": item.accessibility_label, onclick: press }, inlineText(label));
}

export function element(item, context) {
  switch (item.type) {
    case "button":
    case "icon_button":
      return button(item, item.text.text, null, context);
    case "feedback_buttons":
      return [item.positive_button, item.negative_button].map((one) => button(item, one.text.text, one.value, context));
    case "image":
      return image(item, "accessory");
    case "overflow":
      return overflow(item, context);
    case "workflow_button":
      return h("span", { class: "b-other" }, `[${item.type}]`);
    default:
      return choice(item, context);
  }
}

function overflow(item, context) {
  const node = h("select", { class: "b-select overflow", "aria-label": "More" }, h("option", { value: "" }, "⋯"),
    item.options.map((o) => h("option", { value: o.value }, o.text.text)));
  node.addEventListener("change", () => {
    const { value } = node;
    node.value = "";
    const option = item.options.find((o) => o.value === value);
    if (!value || !confirmed(item)) return;
    if (option.url) window.open(option.url, "_blank", "noopener");
    context.act(item.action_id, value);
  });
  return node;
}

function choice(item, context) {
  const node = field(item, context, "");
  node.classList.add("b-select", item.type);
  node.addEventListener("change", () => {
    const value = valueOf(node);
    const something = Array.isArray(value) || value;
    if (something && confirmed(item)) context.act(item.action_id, value);
  });
  return node;
}
