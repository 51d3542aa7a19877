// One named list.

import { editPage } from "./collection.js";
import { LISTS, LIST_STARTERS } from "./kinds.js";

export function show(place) {
  return editPage(place, LISTS, { starters: LIST_STARTERS });
}
