// Templates of messages.

import { listPage } from "./collection.js";
import { TEMPLATES } from "./kinds.js";

export function show({ box }) {
  listPage(box, TEMPLATES);
}
