// Action policies: who is told of what.

import { listPage } from "./collection.js";
import { POLICIES } from "./kinds.js";

export function show({ box }) {
  listPage(box, POLICIES);
}
