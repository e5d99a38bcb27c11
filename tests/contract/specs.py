"""The published documents, made fit for checking what travels.

Every fix is a place where a document says something else than the wire does,
or where the checker could not read it; nothing else is touched."""

import copy
import json
import re


def konnect(text):
    """Kong's document: its servers end in /v1, which the checker does not look at, so the paths get it."""
    head, paths, rest = re.split(r"^(?=paths:\n|components:\n)", text, maxsplit=2, flags=re.M)
    paths = re.sub(r"^  ('?)/", r"  \1/v1/", paths, flags=re.M)
    return head + paths + rest


def without_examples(value):
    """They are in files beside the document, which nobody has."""
    if isinstance(value, dict):
        return {key: without_examples(item) for key, item in value.items() if key != "x-ms-examples"}
    if isinstance(value, list):
        return [without_examples(item) for item in value]
    return value


def envelope(response):
    """A bare array in the document is {count, value} on the wire."""
    schema = response.get("schema", {})
    if schema.get("type") == "array":
        response["schema"] = {"type": "object", "required": ["count", "value"],
                              "properties": {"count": {"type": "integer"}, "value": schema}}


def azure_devops(data):
    """Microsoft's document (with a byte order mark), as bytes."""
    document = without_examples(json.loads(data.decode("utf-8-sig")))
    paths = document["paths"]
    for path in list(paths):
        for operation in paths[path].values():
            # A personal access token is accepted wherever OAuth is.
            operation["security"] = [{"accessToken": []}, {"oauth2": []}]
            for response in operation["responses"].values():
                envelope(response)
            # Of what refuses, or asks to wait, the document knows nothing.
            operation["responses"].setdefault("default", {"description": "Not a success"})
        short = path.replace("/{project}", "", 1)
        optional = {method: without_project(operation) for method, operation in paths[path].items()
                    if project_is_optional(operation)}
        if optional and short not in paths:
            paths[short] = optional
    # The value that a document of version 7.1 asks for in words only.
    document["parameters"]["api-Version"]["enum"] = ["7.1"]
    preview_of_the_bin(document)
    # The wire has a third one.
    document["definitions"]["TeamProjectReference"]["properties"]["visibility"]["enum"].append("organization")
    return json.dumps(document)


def preview_of_the_bin(document):
    """A server to which 7.1 of the recycle bin is a preview wants to hear so."""
    version = {**document["parameters"]["api-Version"], "enum": ["7.1", "7.1-preview.1"]}
    for path, operations in document["paths"].items():
        if path.endswith("/recycleBin/repositories"):
            for operation in operations.values():
                operation["parameters"] = [version if is_version(p) else p for p in operation["parameters"]]


def is_version(parameter):
    return parameter.get("$ref", "").endswith("/api-Version")


def project_is_optional(operation):
    return any(p.get("name") == "project" and p.get("in") == "path" and p.get("x-ms-required") is False
               for p in operation.get("parameters", ()))


def without_project(operation):
    """x-ms-required: false in a path means a path without it."""
    short = copy.deepcopy(operation)
    short["parameters"] = [p for p in short["parameters"] if p.get("name") != "project"]
    short["operationId"] += "_all"
    return short
