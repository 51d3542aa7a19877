// Named lists: values that rules look up.

import { listPage } from "./collection.js";
import { LISTS } from "./kinds.js";

export function show({ box }) {
  listPage(box, LISTS);
}
