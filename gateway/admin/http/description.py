"""The OpenAPI 3.1 document of the admin API, made of what is offered and the types that read and write it.

So it can't promise what the code doesn't do. Served at `/admin/v1/openapi.json`.
"""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, Final

import msgspec

from gateway.admin.access.tokens import roles_of
from gateway.admin.asks import Scope
from gateway.admin.http.paths import PARTS, Path
from gateway.admin.http.problem import CONTENT_TYPE, Problem
from gateway.admin.offer import OFFER

Json = dict[str, Any]

ADDRESS: Final = "/admin/v1/openapi.json"
"""Where it is served."""

_REF: Final = "#/components/schemas/{name}"

_NUMBER: Final = {"type": "string", "pattern": "^[0-9]{1,19}$"}
_QUERY: Final[Mapping[str, Json]] = {
    "after": _NUMBER,
    "before": _NUMBER,
    "from": _NUMBER,
    "order": {"type": "string", "enum": ["newest", "oldest"], "default": "newest"},
    "limit": {"type": "integer", "minimum": 1, "maximum": 500, "default": 100},
    "by": {"type": "string", "enum": ["route", "channel", "state", "operation", "reason", "currency"]},
}
"""Parameters that are no fields of a filter."""


def description() -> Json:
    """The document."""
    told = [shape for path in OFFER for shape in (path.answer, path.body) if shape not in {None, str}]
    shapes = [Problem, Scope, *told]
    _, components = msgspec.json.schema_components(shapes, ref_template=_REF)
    document: Json = {
        "openapi": "3.1.0",
        "info": {
            "title": "Nightsafe: the admin API",
            "version": version("nightsafe"),
            "description": "For operators, auditors and programs in their name. Money is decimal text, numbers are text.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"token": []}, {"signed": []}, {"certificate": []}],
        "paths": _paths(components),
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "[admin.tokens] in the configuration."},
                "signed": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "Signed by an issuer of [admin.issuers] in the configuration.",
                },
                "certificate": {"type": "mutualTLS", "description": "[admin.certificates] in the configuration."},
            },
        },
    }
    # Defaults of tuples become arrays as they are written.
    plain: Json = msgspec.json.decode(msgspec.json.encode(document))
    return plain


def _paths(components: Mapping[str, Json]) -> Json:
    found: Json = {}
    for path in OFFER:
        found.setdefault(path.template, {})[path.method.lower()] = _operation(path, components)
    return found


def _operation(path: Path, components: Mapping[str, Json]) -> Json:
    operation: Json = {
        "operationId": _id_of(path),
        "summary": path.summary,
        "description": f"Roles: {', '.join(roles_of(path.right))}.",
        "parameters": [*map(_path_parameter, path.parts), *(_query_parameter(name, components) for name in path.query)],
        "responses": {
            "200": {"description": "As asked.", "content": _content(path.answer)},
            "default": {
                "description": "Refused, or come to nothing; `code` says why.",
                "content": {CONTENT_TYPE: {"schema": _shape(Problem)}},
            },
        },
    }
    if path.body is not None:
        operation["requestBody"] = {"required": True, "content": _content(path.body)}
    return operation


def _id_of(path: Path) -> str:
    words = path.template.removeprefix("/admin/v1/").replace("{", "").replace("}", "").replace(":", "/").split("/")
    return "_".join((path.method.lower(), *words))


def _content(kind: type) -> Json:
    """What is sent or answered: JSON by its shape, or plain text."""
    if kind is str:
        return {"text/plain": {"schema": {"type": "string"}}}
    return {"application/json": {"schema": _shape(kind)}}


def _shape(kind: type) -> Json:
    return {"$ref": _REF.format(name=kind.__name__)}


def _path_parameter(name: str) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "pattern": f"^({PARTS[name]})$"}}


def _query_parameter(name: str, components: Mapping[str, Json]) -> Json:
    own = components["Scope"]["properties"]
    return {
        "name": name,
        "in": "query",
        "required": False,
        "schema": _QUERY.get(name) or own.get(name) or {"type": "string"},
    }
