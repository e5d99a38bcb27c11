"""Body validation of the Konnect Catalog simulator: as strict as the published
schema, so that a test fails where the real service would refuse."""

import json
import re

NAME = re.compile(r"[0-9a-z.-]+")
LABEL_VALUE = re.compile(r"[a-z0-9A-Z]([a-z0-9A-Z\-._]*[a-z0-9A-Z])?")
URI_REFERENCE = re.compile(
    r"(?:[A-Za-z0-9\-._~:/?@!$&'()*+,;=\[\]]|%[0-9A-Fa-f]{2})*"
    r"(?:#(?:[A-Za-z0-9\-._~:/?@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*)?")
RESERVED_KEYS = ("kong", "konnect", "mesh", "kic", "_")
MAX_LABELS = 50
# Fields of a new catalog whose kind is known; any other name may be any kind.
URL_FIELDS = {"git_repo", "dashboard", "jira_project", "slack_channel"}
TEXT_FIELDS = {"owner", "cost_center", "product_manager"}


class Invalid(Exception):
    """A 400 with its invalid_parameters; `chosen` marks one a test asked for."""

    def __init__(self, issues, detail="Invalid parameters", chosen=False):
        super().__init__(detail)
        self.issues = issues
        self.detail = detail
        self.chosen = chosen


def issue(field, rule, reason, source="body", **more):
    return {"field": field, "rule": rule, "reason": reason, "source": source, **more}


def refuse(field, rule, reason, source="body", chosen=False, **more):
    raise Invalid([issue(field, rule, reason, source, **more)], chosen=chosen)


def parse(text):
    """A JSON object without duplicate keys, NaN or broken UTF-8."""
    def unique(pairs):
        table = dict(pairs)
        if len(table) != len(pairs):
            raise ValueError("a key is given twice")
        return table

    def no_constant(name):
        raise ValueError(f"{name} is not JSON")

    try:
        body = json.loads(text.decode("utf-8"), object_pairs_hook=unique,
                          parse_constant=no_constant)
    except (ValueError, RecursionError) as error:
        raise Invalid([issue("body", "invalid", str(error))], "Malformed body") from None
    if not isinstance(body, dict):
        refuse("body", "is_object", "must be an object")
    return body


def string(value, field, issues, low, high, pattern=None):
    if not isinstance(value, str):
        issues.append(issue(field, "is_string", "must be a string"))
    elif any(0xD800 <= ord(c) < 0xE000 or c == "\0" for c in value):
        issues.append(issue(field, "invalid", "must be valid text"))
    elif len(value) < low:
        issues.append(issue(field, "min_length", f"must have at least {low} characters",
                            minimum=low))
    elif len(value) > high:
        issues.append(issue(field, "max_length", f"must not have more than {high} characters",
                            maximum=high))
    elif pattern and not pattern.fullmatch(value):
        issues.append(issue(field, "matches_regex", f"must match {pattern.pattern}"))


def machine_name(value, field, issues, patch):
    string(value, field, issues, 1, 120, NAME)


def display_name(value, field, issues, patch):
    string(value, field, issues, 1, 120)


def description(value, field, issues, patch):
    if value is not None:
        string(value, field, issues, 0, 2048)


def labels(value, field, issues, patch):
    if value is None and patch:
        return
    if not isinstance(value, dict):
        issues.append(issue(field, "is_object", "must be an object"))
        return
    if len(value) > MAX_LABELS:
        issues.append(issue(field, "max_items", f"must not have more than {MAX_LABELS} labels",
                            maximum=MAX_LABELS))
    for key, text in value.items():
        where = f"{field}.{key}"
        if not 1 <= len(key) <= 63 or key.startswith(RESERVED_KEYS):
            issues.append(issue(where, "is_label", "is not a valid label key"))
        if text is None and patch:
            continue
        string(text, where, issues, 1, 63, LABEL_VALUE)


def url_field(value, where, issues):
    if not isinstance(value, dict):
        issues.append(issue(where, "is_object", "must be an object with name and link"))
        return
    for key in value.keys() - {"name", "link"}:
        issues.append(issue(f"{where}.{key}", "unknown_property", "is not a known property"))
    for key in ("name", "link"):
        if key not in value:
            issues.append(issue(f"{where}.{key}", "required", "is a required field"))
        else:
            string(value[key], f"{where}.{key}", issues, 0, 65536,
                   URI_REFERENCE if key == "link" else None)


def custom_fields(value, field, issues, patch):
    if not isinstance(value, dict):
        issues.append(issue(field, "is_object", "must be an object"))
        return
    for key, content in value.items():
        where = f"{field}.{key}"
        if content is None:
            continue
        if key in URL_FIELDS or isinstance(content, dict):
            if key in TEXT_FIELDS:
                issues.append(issue(where, "is_string", "must be a string"))
            else:
                url_field(content, where, issues)
        elif isinstance(content, str):
            string(content, where, issues, 0, 65536)
        elif key in TEXT_FIELDS or not isinstance(content, (bool, int, float)):
            issues.append(issue(where, "type", "must be text, a number, a boolean or a link"))


def config(value, field, issues, patch):
    if not isinstance(value, dict):
        issues.append(issue(field, "is_object", "must be an object"))


def boolean(value, field, issues, patch):
    if not isinstance(value, bool):
        issues.append(issue(field, "is_boolean", "must be a boolean"))


def plain_string(value, field, issues, patch):
    string(value, field, issues, 1, 1024)


def anything(value, field, issues, patch):
    pass


SERVICE = {"name": machine_name, "display_name": display_name, "description": description,
           "labels": labels, "custom_fields": custom_fields}
INSTANCE_PATCH = {"name": machine_name, "display_name": display_name, "description": description,
                  "labels": labels, "config": config}
INSTANCE = {"integration_name": machine_name, **INSTANCE_PATCH}
RESOURCE_PATCH = {"archived": boolean}
MAPPING = {"service": plain_string, "resource": anything}
RESOURCE_BY_CONFIG = {"integration_instance": plain_string, "type": plain_string, "config": config}


def check(body, fields, required=(), patch=False, prefix=""):
    """Raise Invalid with everything that is wrong with a body."""
    issues = []
    for key in required:
        if key not in body:
            issues.append(issue(prefix + key, "required", "is a required field"))
    for key, value in body.items():
        checker = fields.get(key)
        if checker:
            checker(value, prefix + key, issues, patch)
        else:
            issues.append(issue(prefix + key, "unknown_property", "is not a known property"))
    if issues:
        raise Invalid(issues)


def check_config(value, definition, field):
    """A config object against {key: string | number | boolean}, all required."""
    kinds = {"string": str, "number": (int, float), "boolean": bool}
    issues = []
    for key, kind in definition.items():
        if key not in value:
            issues.append(issue(f"{field}.{key}", "required", "is a required field"))
        elif not isinstance(value[key], kinds[kind]) or (
                kind == "number" and isinstance(value[key], bool)):
            issues.append(issue(f"{field}.{key}", f"is_{kind}", f"must be a {kind}"))
        elif value[key] == "":
            issues.append(issue(f"{field}.{key}", "min_length", "must have at least 1 characters",
                                minimum=1))
    for key in value.keys() - definition.keys():
        issues.append(issue(f"{field}.{key}", "unknown_property", "is not a known property"))
    if issues:
        raise Invalid(issues)


def check_credential(body, headers):
    """A multi_key_auth credential with exactly the headers an integration has."""
    issues = []
    for key in body.keys() - {"type", "config"}:
        issues.append(issue(key, "unknown_property", "is not a known property"))
    if body.get("type") != "multi_key_auth":
        issues.append(issue("type", "enum", "is not an allowed type", choices=["multi_key_auth"]))
    given = body.get("config")
    if not isinstance(given, dict) or not isinstance(given.get("headers"), list):
        issues.append(issue("config.headers", "is_array", "must be an array"))
        raise Invalid(issues)
    for key in given.keys() - {"headers"}:
        issues.append(issue(f"config.{key}", "unknown_property", "is not a known property"))
    names = []
    for number, header in enumerate(given["headers"]):
        where = f"config.headers[{number}]"
        if not isinstance(header, dict) or header.keys() != {"name", "key"}:
            issues.append(issue(where, "required", "must have exactly name and key"))
            continue
        for key in ("name", "key"):
            string(header[key], f"{where}.{key}", issues, 1, 8192)
        names.append(header["name"])
    if names != headers:
        issues.append(issue("config.headers", "invalid", f"must be exactly {', '.join(headers)}"))
    if issues:
        raise Invalid(issues)
