"""The OpenAPI document: valid, complete, and made of the types that validate."""

import json
import re
from typing import Any

import msgspec
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from adapters.channels import json_bodies
from adapters.channels.openapi import document, document_bytes
from adapters.channels.problem import Code

SCHEMAS = document()["components"]["schemas"]
OPERATIONS = [
    (path, method, operation) for path, methods in document()["paths"].items() for method, operation in methods.items()
]


def test_the_document_is_valid_openapi_3_1() -> None:
    """Clients are generated from it; an invalid one generates nothing, or nonsense."""
    OpenAPIV31SpecValidator(document()).validate()


def test_the_ready_bytes_are_the_document() -> None:
    """What is served is what was validated."""
    assert json.loads(document_bytes()) == document()


def test_every_endpoint_of_the_api_is_in_it() -> None:
    """The list a bank's developer starts from."""
    assert [(method, path) for path, method, _ in OPERATIONS] == [
        ("post", "/v1/payments"),
        ("get", "/v1/payments"),
        ("get", "/v1/payments/{id}"),
        ("post", "/v1/payments/{id}/reversal"),
        ("get", "/v1/returns"),
        ("get", "/v1/status"),
        ("post", "/v1/checks"),
    ]


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)
def test_each_operation_tells_its_problems_and_its_yes(path: str, method: str, operation: dict[str, Any]) -> None:
    """A client must know 401, 405 and 503 for every call, and find the yes beside them."""
    statuses = set(operation["responses"])
    assert {"401", "405", "503"} < statuses
    assert statuses & {"200", "201", "202"}, f"{method} {path}"


def test_every_problem_there_is_has_an_example_somewhere() -> None:
    """A code that is served and not published can't be handled by anybody."""
    published = {
        name
        for _, _, operation in OPERATIONS
        for response in operation["responses"].values()
        for name in response.get("content", {}).get("application/problem+json", {}).get("examples", {})
    }
    assert published == {code.word for code in Code}


@pytest.mark.parametrize("operation", [operation for _, _, operation in OPERATIONS if "201" in operation["responses"]])
def test_what_moves_money_needs_a_key(operation: dict[str, Any]) -> None:
    """Without the key a repeat would be a second payment."""
    assert {"$ref": "#/components/parameters/IdempotencyKey"} in operation["parameters"]
    assert document()["components"]["parameters"]["IdempotencyKey"]["required"]


def test_amounts_are_strings_with_a_pattern() -> None:
    """A JSON number would be read as a binary float by most clients."""
    amount = SCHEMAS["NewPayment"]["properties"]["amount"]
    assert amount["type"] == "string"
    assert re.search(amount["pattern"], "200.00")
    assert not re.search(amount["pattern"], "2e2")


@pytest.mark.parametrize("name", ["NewPayment", "NewReversal", "NewCheck"])
def test_requests_take_no_unknown_fields(name: str) -> None:
    """The document says what the decoder does."""
    assert SCHEMAS[name]["additionalProperties"] is False
    assert SCHEMAS[name]["description"]


@pytest.mark.parametrize("operation", [operation for _, _, operation in OPERATIONS if "requestBody" in operation])
def test_the_examples_of_bodies_are_taken_by_the_types(operation: dict[str, Any]) -> None:
    """An example that fails is the first thing a developer tries."""
    content = operation["requestBody"]["content"]["application/json"]
    kind = getattr(json_bodies, content["schema"]["$ref"].rpartition("/")[2])
    assert msgspec.convert(content["example"], kind)


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)
def test_the_examples_of_answers_are_of_their_types(path: str, method: str, operation: dict[str, Any]) -> None:
    """Every example of a yes can be read back."""
    yes = [code for code in operation["responses"] if code < "300"]
    contents = [operation["responses"][code]["content"]["application/json"] for code in yes]
    kinds = [getattr(json_bodies, content["schema"]["$ref"].rpartition("/")[2]) for content in contents]
    assert all(msgspec.convert(content["example"], kind) for content, kind in zip(contents, kinds, strict=True)), path
    assert method
