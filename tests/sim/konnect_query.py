"""Filters, sorting and paging of the Konnect Catalog simulator.  Whatever the
published interface does not document is refused with a 400."""

import base64
import json
import re
import urllib.parse
from datetime import datetime

from konnect_schema import Invalid, issue

FILTER = re.compile(r"filter\[([^\[\]]+)\](?:\[([a-z]+)\])?")
NUMBER_OPERATORS = {"eq", "lt", "lte", "gt", "gte"}
EXACT_OPERATORS = {"eq", "oeq", "neq"}
STRING_OPERATORS = EXACT_OPERATORS | {"contains", "ocontains"}
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")

# A filter kind: string takes a bare value too, exact and config do not.
SERVICE_FILTERS = {"id": "exact", "name": "string", "display_name": "string",
                   "custom_fields.": "string", "labels.": "string",
                   "created_at": "moment", "updated_at": "moment"}
INTEGRATION_FILTERS = {"name": "string", "display_name": "string"}
INSTANCE_FILTERS = {"name": "string", "display_name": "string", "integration.name": "string",
                    "integration.display_name": "string", "authorized": "boolean",
                    "labels.": "string", "created_at": "moment", "updated_at": "moment"}
SERVICE_RESOURCE_FILTERS = {
    "id": "exact", "name": "string", "integration.name": "string",
    "integration.display_name": "string", "integration.instance.id": "exact",
    "integration.instance.name": "string", "integration.instance.display_name": "string",
    "type": "exact", "config.": "config", "config": "config", "integration_data.": "config",
    "integration_data": "config", "service_associations": "number", "created_at": "moment",
    "updated_at": "moment"}
RESOURCE_FILTERS = {**SERVICE_RESOURCE_FILTERS, "archived": "boolean"}
MAPPING_FILTERS = {
    "resource.id": "exact", "resource.name": "string", "resource.type": "string",
    "resource.config.": "config", "resource.config": "config",
    "resource.integration.name": "string", "resource.integration.display_name": "string",
    "resource.integration.instance.id": "exact", "resource.integration.instance.name": "string",
    "resource.integration.instance.display_name": "string", "service.id": "exact",
    "service.name": "string", "service.display_name": "string", "created_at": "moment"}

SERVICE_SORT = ({"display_name", "name", "created_at", "updated_at"}, "display_name")
INTEGRATION_SORT = ({"display_name", "name"}, "display_name")
INSTANCE_SORT = ({"display_name", "name", "created_at", "updated_at", "integration.display_name"},
                 "integration.display_name")
RESOURCE_SORT = ({"created_at", "updated_at"}, "created_at desc")
MAPPING_SORT = ({"created_at"}, "created_at desc")


def bad(field, reason, rule="invalid"):
    raise Invalid([issue(field, rule, reason, "query")])


def walk(item, path):
    """A nested value; the part after labels. and its like is one key."""
    value = item
    parts = path.split(".")
    while parts and isinstance(value, dict):
        head = parts.pop(0)
        value = value.get(head)
        if head in ("labels", "config", "custom_fields", "integration_data") and parts:
            rest = ".".join(parts)
            if not isinstance(value, dict):
                return None
            if head == "custom_fields" and rest not in value and len(parts) > 1:
                inner = value.get(".".join(parts[:-1]))
                return inner.get(parts[-1]) if isinstance(inner, dict) else None
            return value.get(rest)
    return None if parts else value


def moment(text, field):
    if not MOMENT.fullmatch(text):
        bad(field, "must be an RFC 3339 time", "is_date_time")
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        bad(field, "must be an RFC 3339 time", "is_date_time")


def number(text, field):
    try:
        return float(text)
    except ValueError:
        bad(field, "must be a number", "is_number")


def compare(operator, left, right):
    return {"eq": left == right, "lt": left < right, "lte": left <= right, "gt": left > right,
            "gte": left >= right}[operator]


def as_text(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) or value is None else json.dumps(value)


def test(kind, path, operator, wanted, field):
    """A predicate over items for one filter, or a 400."""
    allowed = {"string": STRING_OPERATORS | {None}, "exact": EXACT_OPERATORS,
               "config": STRING_OPERATORS, "boolean": {None},
               "number": NUMBER_OPERATORS | {None}, "moment": NUMBER_OPERATORS | {None}}[kind]
    if operator not in allowed:
        bad(field, f"does not support the operator {operator or '(none)'}")
    if kind == "boolean":
        if wanted not in ("true", "false"):
            bad(field, "must be a boolean", "is_boolean")
        return lambda item: walk(item, path) is (wanted == "true")
    if kind == "number":
        limit = number(wanted, field)
        return lambda item: compare(operator or "eq", walk(item, path), limit)
    if kind == "moment":
        limit = moment(wanted, field)
        return lambda item: compare(operator or "eq", moment(walk(item, path), field), limit)
    several = wanted.split(",")
    if operator in (None, "eq"):
        return lambda item: as_text(walk(item, path)) == wanted
    if operator == "neq":
        return lambda item: as_text(walk(item, path)) != wanted
    if operator == "oeq":
        return lambda item: as_text(walk(item, path)) in several
    if operator == "contains":
        return lambda item: wanted in (as_text(walk(item, path)) or "")
    return lambda item: any(text in (as_text(walk(item, path)) or "") for text in several)


class Query:
    """The parsed query of a list request."""

    def __init__(self, request, filters, sorting, cursor=False):
        self.tests = []
        # Plain equalities, with which the store can avoid a full scan.
        self.equal = {}
        self.sort = sorting[1] if sorting else None
        self.size = 10
        self.number = 1
        self.after = None
        self.before = None
        seen = set()
        pages = {"page[size]", "page[after]", "page[before]"} if cursor else {
            "page[size]", "page[number]"}
        for key, value in request.query:
            if key in seen:
                bad(key, "is given twice")
            seen.add(key)
            if key in pages:
                self.page(key, value)
            elif key == "sort" and sorting:
                self.sort = value
            else:
                self.filter(key, value, filters, seen)
        self.order = self.sort_order(sorting) if sorting else [("seq", False)]

    def page(self, key, value):
        if key == "page[after]":
            self.after = unpack(value, key)
        elif key == "page[before]":
            self.before = unpack(value, key)
        elif not re.fullmatch(r"[0-9]{1,9}", value) or int(value) < 1:
            bad(key, "must be an integer of at least 1", "is_integer")
        elif key == "page[number]":
            self.number = int(value)
        else:
            self.size = int(value)
            if self.size > 100:
                raise Invalid([issue(key, "max", "must not be more than 100", "query",
                                     maximum=100)])

    def filter(self, key, value, filters, seen):
        match = FILTER.fullmatch(key)
        if not match:
            bad(key, "is not a known query parameter", "unknown_property")
        path, operator = match.groups()
        kind = filters.get(path)
        if kind is None:
            for prefix, prefix_kind in filters.items():
                if prefix.endswith(".") and path.startswith(prefix) and path != prefix:
                    kind = prefix_kind
        if kind is None:
            bad(key, "is not a known filter", "unknown_property")
        if ("filter", path) in seen:
            bad(key, "one operator a field is allowed")
        seen.add(("filter", path))
        if operator in (None, "eq"):
            self.equal[path] = value
        self.tests.append(test(kind, path, operator, value, key))

    def sort_order(self, sorting):
        order = []
        for part in self.sort.split(","):
            words = part.split()
            if not 1 <= len(words) <= 2 or words[0] not in sorting[0] or (
                    len(words) == 2 and words[1] not in ("asc", "desc")):
                bad("sort", f"must be of {', '.join(sorted(sorting[0]))}, then asc or desc")
            order.append((words[0], words[1:] == ["desc"]))
        return order

    def select(self, items):
        """The wanted items in the wanted order."""
        chosen = [item for item in items if all(test(item) for test in self.tests)]
        for path, down in reversed(self.order):
            if path == "created_at":
                # Items come in the order of creation, also within a millisecond.
                chosen.sort(key=lambda item: item["seq"], reverse=down)
            elif path == "updated_at":
                chosen.sort(key=lambda item: (item["updated_at"], item["seq"]), reverse=down)
            elif path != "seq":
                chosen.sort(key=lambda item, path=path: walk(item, path) or "", reverse=down)
        return chosen

    def key(self, item):
        """Where an item stands in the order of a cursor."""
        path, down = self.order[0]
        return (item["updated_at"] if path == "updated_at" else "", item["seq"]), down

    def cursor_page(self, chosen):
        """(items of the page, cursor of the next, cursor of the previous)."""
        def behind(item, mark):
            key, down = self.key(item)
            return key < mark if down else key > mark

        start = 0
        if self.after:
            start = next((n for n, item in enumerate(chosen) if behind(item, self.after)),
                         len(chosen))
        elif self.before:
            stop = next((n for n, item in enumerate(chosen)
                         if self.key(item)[0] == self.before or behind(item, self.before)),
                        len(chosen))
            start = max(0, stop - self.size)
        page = chosen[start : start + self.size]
        more = start + self.size < len(chosen)
        return (page, pack(self.key(page[-1])[0]) if page and more else None,
                pack(self.key(page[0])[0]) if page and start else None)


def pack(mark):
    return base64.urlsafe_b64encode(json.dumps(mark).encode()).decode().rstrip("=")


def unpack(text, field):
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        mark = json.loads(raw)
        return str(mark[0]), int(mark[1])
    except (ValueError, TypeError, IndexError, KeyError):
        bad(field, "is not a cursor")


def uri(path, size, name=None, cursor=None):
    """A page's URI, with the prefix of the service behind the gateway."""
    text = f"/servicehub/v1{path}?page[size]={size}"
    return f"{text}&{name}={urllib.parse.quote(cursor)}" if name else text
