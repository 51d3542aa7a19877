"""Random conditions, and random events that they may well match."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from .interpreter import elements, look

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia"]
LISTS = {"vip": ["alice", "ALICE", 1, True], "empty": []}

texts = st.sampled_from(
    [
        *("user.login", "user.logout", "data.export", "data.", "a", "A", "", "1", "true", "alice", "Alice", "Straße"),
        *("STRASSE", "日本語", "😀", "x\ny", "10.0.0.7", "::ffff:10.0.0.7", "2001:db8::1", "192.168.1.1"),
        "fe80::1%eth0",
    ]
)
numbers = st.sampled_from([0, 1, 1.0, 2, -3, 1.5, 100, 2**53 + 1, float(2**53), 1e300])
scalars = texts | numbers | st.booleans()
filled = texts.filter(bool)

FIELDS = ["action", "outcome", "a", "b", "tags", "actor.id", "actor.ip", "metadata.n", "metadata.role", "items.k"]
ODD_FIELDS = ["tags.0", "tags.1", "items.0.k", "items.k.k", "missing", "missing.below", "action.below", "grid.0.1"]
TIME_FIELDS = ["event_time.hour", "event_time.minute", "event_time.weekday"]
SHIELD_FIELDS = ["detected", "apps", "hostname"]

paths = st.sampled_from(FIELDS * 3 + ODD_FIELDS + ["items", "actor", "grid", "raw.k", "raw"])
values = scalars | st.none() | st.lists(scalars | st.none(), max_size=3)


def _optional(name: str, strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.just({}) | strategy.map(lambda value: {name: value})


items = st.lists(
    st.dictionaries(st.just("k"), values | st.fixed_dictionaries({"k": values}), max_size=1) | scalars, max_size=3
)


@st.composite
def events(draw: st.DrawFn) -> dict[str, Any]:
    doc = {
        "id": "e",
        "tenant_id": draw(st.sampled_from(["acme", "other"])),
        "action": draw(filled),
        "outcome": draw(st.sampled_from(["success", "failure"])),
        "event_time": "2026-02-10T12:00:00.000Z",
    }
    for name in ("a", "b", "tags", "detected", "apps", "hostname"):
        doc |= draw(_optional(name, values))
    doc |= draw(_optional("grid", st.lists(st.lists(scalars, max_size=3), max_size=2)))
    doc |= draw(_optional("items", items | values))
    doc |= draw(_optional("raw", st.fixed_dictionaries({}, optional={"k": values, "role": values})))
    doc |= draw(_optional("actor", st.fixed_dictionaries({}, optional={"id": texts, "ip": values})))
    doc |= draw(
        _optional("metadata", st.fixed_dictionaries({}, optional={"n": values, "role": values, "detected": values}))
    )
    return doc


times = st.integers(0, 4_102_444_800_000) | st.sampled_from(
    # about the changes of the clocks, and the turn of a year
    [1_774_746_000_000, 1_774_745_999_999, 1_792_890_000_000, 1_762_063_200_000, 1_767_225_599_999, 0]
)

_networks = st.sampled_from(
    ["10.0.0.0/8", "10.0.0.7", "0.0.0.0/0", "192.168.0.0/16", "2001:db8::/32", "::/0", "10.0.0.9/30"]
)
_pairs = st.tuples(numbers, numbers).map(sorted) | st.tuples(texts, texts).map(sorted)
_members = st.lists(scalars, min_size=1, max_size=4) | st.sampled_from([{"list": name} for name in (*LISTS, "none")])
_patterns = st.text("*?aAuser.lognSß", min_size=1, max_size=7) | filled
_regexes = st.sampled_from(["^user", "log(in|out)$", "a", "[0-9]+", "^$", "A|x", r"user\.", "(a*)*b?$"])
_operands: dict[str, st.SearchStrategy[Any]] = {
    "eq": scalars,
    "not": scalars | st.lists(scalars, min_size=1, max_size=3),
    "in": _members,
    "not_in": _members,
    **dict.fromkeys(("gt", "gte", "lt", "lte"), numbers | texts),
    "between": _pairs.map(list),
    "matches": _patterns,
    "contains": filled | numbers | st.booleans(),
    **dict.fromkeys(("starts_with", "ends_with"), filled),
    "regex": _regexes,
    "cidr": _networks | st.lists(_networks, min_size=1, max_size=3),
    "exists": st.booleans(),
    "anywhere": filled | st.lists(filled, min_size=1, max_size=3),
    "field": paths | st.sampled_from(TIME_FIELDS),
}


@st.composite
def operators(draw: st.DrawFn) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from(sorted(_operands)), min_size=1, max_size=2, unique=True))
    result = {name: draw(_operands[name]) for name in names}
    return result | draw(_optional("ignore_case", st.booleans()))


@st.composite
def time_operators(draw: st.DrawFn, path: str) -> dict[str, Any]:
    low, high = {"event_time.hour": (0, 23), "event_time.minute": (0, 59), "event_time.weekday": (1, 7)}[path]
    part = st.integers(low, high)
    by_name = {
        **dict.fromkeys(("eq", "not", "gt", "gte", "lt", "lte"), part),
        **dict.fromkeys(("in", "not_in"), st.lists(part, min_size=1, max_size=4)),
        "between": st.tuples(part, part).map(list),
    }
    name = draw(st.sampled_from(sorted(by_name)))
    return {name: draw(by_name[name])}


shield = st.fixed_dictionaries(
    {"type": st.sampled_from(SHIELD_FIELDS), "values": st.lists(scalars, min_size=1, max_size=3)},
    optional={"isNot": st.booleans()},
)


@st.composite
def likely(draw: st.DrawFn, doc: dict[str, Any]) -> dict[str, Any]:
    """One test that probably holds for the event."""
    path = draw(st.sampled_from(FIELDS))
    found = [v for v in elements(look(doc, path.split("."))) if isinstance(v, str | int | float) and v != ""]
    if not found:
        return {path: draw(st.sampled_from([{"exists": False}, {"not": "x"}, {"not_in": ["a", 1]}]))}
    value = draw(st.sampled_from(found))
    choices: list[Any] = [value, {"eq": value}, {"in": [value, "x"]}, {"contains": value}, {"exists": True}]
    if isinstance(value, str):
        swapped = value.swapcase()
        choices += [{"eq": swapped, "ignore_case": True}, {"in": [swapped], "ignore_case": True}, {"gte": value}]
        choices += [{"matches": f"{value[:1]}*"}, {"matches": f"*{swapped[1:]}", "ignore_case": True}]
        choices += [{"starts_with": value[:2]}, {"ends_with": swapped[-2:], "ignoreCase": True}, {"matches": "?*"}]
    elif not isinstance(value, bool):
        choices += [{"gte": value}, {"lte": value}, {"between": [value, value]}]
    return {path: draw(st.sampled_from(choices))}


@st.composite
def conditions(draw: st.DrawFn, depth: int = 3, doc: dict[str, Any] | None = None) -> dict[str, Any]:
    """A condition; one that may well hold when an event is given."""
    result: dict[str, Any] = {}
    for _ in range(draw(st.integers(1, 3))):
        what = draw(st.integers(0, 9))
        if doc is not None and draw(st.integers(0, 4)):
            result |= draw(likely(doc))
        elif what <= 1 and depth:
            name = draw(st.sampled_from(["all", "any", "none"]))
            result[name] = draw(st.lists(conditions(depth=depth - 1, doc=doc), min_size=1, max_size=3))
        elif what == 2:
            result["conditions"] = draw(st.lists(shield, min_size=1, max_size=2))
        elif what == 3:
            path = draw(st.sampled_from(TIME_FIELDS))
            result[path] = draw(time_operators(path))
        elif what == 4 and depth:
            nested = {"n": draw(scalars | operators()), "role": draw(scalars | operators())}
            if draw(st.booleans()):
                nested["any"] = [{"n": draw(scalars)}, {"role": draw(operators())}]
            result["metadata"] = nested
        else:
            result[draw(paths)] = draw(scalars | operators())
    return result
