"""Judges OpenAPI documents and instances of JSON Schemas for the tests of crates/soap.

`documents`: reads file names, one a line; prints file, tab and reason for each document that is not valid OpenAPI 3.1, or
has a schema that is not valid JSON Schema 2020-12.
`instances`: reads {"schema": ..., "instance": ...}, one a line; prints a line for each, empty if the instance is valid.
"""

import json
import re
import sys

from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator


def one_line(error):
    where = "/".join(str(step) for step in error.absolute_path)
    return re.sub(r"\s+", " ", f"at /{where}: {error.message}")[:400]


def references(node, found):
    if isinstance(node, dict):
        target = node.get("$ref")
        if isinstance(target, str):
            found.add(target)
        for value in node.values():
            references(value, found)
    elif isinstance(node, list):
        for value in node:
            references(value, found)


def patterns(node):
    if isinstance(node, dict):
        if isinstance(node.get("pattern"), str):
            yield node["pattern"]
        for value in node.values():
            yield from patterns(value)
    elif isinstance(node, list):
        for value in node:
            yield from patterns(value)


def judge_document(text):
    document = json.loads(text)
    error = next(OpenAPIV31SpecValidator(document).iter_errors(), None)
    if error is not None:
        return one_line(error)
    schemas = document.get("components", {}).get("schemas", {})
    for name, schema in schemas.items():
        for error in Draft202012Validator(Draft202012Validator.META_SCHEMA).iter_errors(schema):
            return f"component {name} {one_line(error)}"
    found = set()
    references(document, found)
    for target in found:
        node = document
        for step in target.removeprefix("#/").split("/"):
            node = node.get(step) if isinstance(node, dict) else None
        if node is None:
            return f"{target} refers to nothing"
    return None


def documents():
    for line in sys.stdin:
        file = line.rstrip("\n")
        with open(file, encoding="utf-8") as opened:
            fault = judge_document(opened.read())
        if fault:
            print(f"{file}\t{fault}", flush=True)


def instances():
    for line in sys.stdin:
        case = json.loads(line)
        errors = Draft202012Validator(case["schema"]).iter_errors(case["instance"])
        error = next(errors, None)
        print(one_line(error) if error else "", flush=True)


if __name__ == "__main__":
    {"documents": documents, "instances": instances}[sys.argv[1]]()
