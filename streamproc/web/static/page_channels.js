// Channels: how people are told.

import { listPage } from "./collection.js";
import { CHANNELS } from "./kinds.js";

export function show({ box }) {
  listPage(box, CHANNELS);
}
