// What blocks.js needs of dom.js, and plain_text with its emoji.
import { emoji } from "./dom.js";

export { h, icon, mrkdwn, richText } from "./dom.js";

export const inlineText = (text) => text.split(/:([a-z+][\w+'-]*):/).map((part, index) => (index % 2 ? emoji(part) : part));
