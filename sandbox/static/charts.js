// Charts of Block Kit: bars side by side, also where Slack would draw lines or slices.
import { h } from "./dom.js";

const LEGEND = ["one", "two", "three", "four"];
const shade = (at) => LEGEND[at % LEGEND.length];

/** A `data_visualization` block. */
export function chart(block) {
  const { title, chart: drawn } = block;
  const series = drawn.series || [{ name: "", data: drawn.segments || [] }];
  const most = Math.max(1, ...series.flatMap((line) => line.data.map((point) => point.value)));
  const labels = series[0].data.map((point) => point.label);
  const groups = labels.map((label, at) => group(label, series.map((line) => line.data[at]), most));
  const names = series.filter((line) => line.name).map((line, at) => h("span", { class: `key ${shade(at)}` }, line.name));
  return h("figure", { class: "b-chart" }, h("figcaption", {}, title), h("div", { class: "plot" }, groups), h("div", { class: "keys" }, names));
}

function group(label, points, most) {
  const bars = points.map((point, at) => {
    const node = h("div", { class: `column ${shade(at)}`, title: `${label}: ${point.value}` }, point.value ? h("small", {}, String(point.value)) : null);
    node.style.height = `${(100 * Math.max(0, point.value)) / most}%`;
    return node;
  });
  return h("div", { class: "group" }, h("div", { class: "bars" }, bars), h("span", {}, label));
}
