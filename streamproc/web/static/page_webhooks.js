// Webhooks: endpoints that get signed messages.

import { listPage } from "./collection.js";
import { WEBHOOKS } from "./kinds.js";

export function show({ box }) {
  listPage(box, WEBHOOKS);
}
