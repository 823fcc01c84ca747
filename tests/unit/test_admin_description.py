"""The OpenAPI document of the admin API: valid, complete, and made of what is offered."""

from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from gateway.admin.http.description import description
from gateway.admin.http.paths import Path
from gateway.admin.offer import OFFER

DOCUMENT = description()
PATHS = list(OFFER)


def operation_of(path: Path) -> dict[str, Any]:
    """What the document says of a path."""
    found: dict[str, Any] = DOCUMENT["paths"][path.template][path.method.lower()]
    return found


def test_the_document_is_valid_openapi_3_1() -> None:
    """Clients are generated from it."""
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_each_operation_has_a_name_of_its_own() -> None:
    """Generated clients have a function for each."""
    names = [operation_of(path)["operationId"] for path in PATHS]
    assert len(set(names)) == len(names)
    assert "post_entries_entry_reveal" in names


@pytest.mark.parametrize("path", PATHS, ids=lambda path: f"{path.method} {path.template}")
def test_what_is_offered_is_described(path: Path) -> None:
    """Its parts, its query, its body and its answer, by the types that read and write them."""
    operation = operation_of(path)
    told = {(each["name"], each["in"]) for each in operation["parameters"]}
    assert told == {(name, "path") for name in path.parts} | {(name, "query") for name in path.query}
    answer = operation["responses"]["200"]["content"]
    shape = {"schema": {"$ref": f"#/components/schemas/{path.answer.__name__}"}}
    text = {"schema": {"type": "string"}}
    assert answer == ({"text/plain": text} if path.answer is str else {"application/json": shape})
    assert ("requestBody" in operation) == (path.body is not None) == (path.method == "POST")


def test_a_filter_is_told_as_it_is_read() -> None:
    """The pattern of an amount is the one that refuses."""
    listing = {each["name"]: each["schema"] for each in DOCUMENT["paths"]["/admin/v1/entries"]["get"]["parameters"]}
    assert listing["amount"]["pattern"] == r"^([0-9]{1,15}(\.[0-9]{1,4})?)?$"
    assert listing["limit"]["maximum"] == 500
