# SPDX-License-Identifier: GPL-3.0-or-later
"""The OpenAPI 3.1 document, made from the route table: what is served is what is described."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from console.access import RIGHTS, Open
from console.api.models import Refusal
from console.guard import OUR_HEADER
from console.routes import Media, Route

_REF: Final = "#/components/schemas/{model}"
_IN_PATH: Final = re.compile(r"\{(\w+)\}")
_OUR_HEADER: Final = {
    "name": OUR_HEADER,
    "in": "header",
    "required": True,
    "description": "Any value: shows that no other site's page made a browser send this.",
    "schema": {"type": "string"},
}
_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A command with a key is done once, however often it is sent; the reply is the same.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 100},
}


def document(routes: Iterable[Route], version: str) -> dict[str, Any]:
    """The document of all routes under the API's prefix."""
    api = [route for route in routes if route.is_api]
    models: set[type[BaseModel]] = {Refusal}
    for route in api:
        models |= {model for model in (route.body, route.reply) if model is not None}
    refs, schemas = models_json_schema(
        [(model, "validation") for model in sorted(models, key=lambda model: model.__name__)],
        ref_template=_REF,
    )
    paths: dict[str, dict[str, Any]] = {}
    for route in api:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, refs)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Offhook",
            "version": version,
            "description": "Every answer that is no success is a `Refusal`. Personal data goes only to those "
            "whose role allows it; numbers are masked.",
            "license": {"name": "GPL-3.0-or-later", "identifier": "GPL-3.0-or-later"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas.get("$defs", {}),
            "securitySchemes": {
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "__Host-offhook",
                    "description": "Set by the login; plainly `offhook` over http on the machine itself.",
                }
            },
        },
    }


def _operation(route: Route, refs: dict[Any, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": f"{route.tag}_{route.handler.__name__}",
        "tags": [route.tag],
        "summary": route.summary,
        "parameters": _parameters(route),
        "responses": {
            str(route.status): _success(route, refs),
            "default": {
                "description": "It was refused, or did not work.",
                "content": _json(refs[Refusal, "validation"]),
            },
        },
        "x-right": _right(route),
    }
    if RIGHTS[route.name] is not Open.EVERYBODY:
        operation["security"] = [{"session": []}]
    if route.body is not None:
        operation["requestBody"] = {
            "required": any(field.is_required() for field in route.body.model_fields.values()),
            "content": _json(refs[route.body, "validation"]),
        }
    elif route.uploads:
        operation["requestBody"] = {"required": True, "content": {media: {} for media in route.uploads}}
    return operation


def _parameters(route: Route) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _IN_PATH.findall(route.path)
    ]
    if route.query is not None:
        parameters += _query(route.query)
    if route.unsafe:
        parameters += [_OUR_HEADER, _KEY]
    return parameters


def _query(model: type[BaseModel]) -> list[dict[str, Any]]:
    schema = model.model_json_schema()
    shared = schema.get("$defs", {})
    parameters = []
    for name, found in schema.get("properties", {}).items():
        inlined = _inlined(found, shared)
        parameters.append(
            {
                "name": name,
                "in": "query",
                "required": name in schema.get("required", ()),
                "description": inlined.get("description", ""),
                "schema": {
                    key: value for key, value in inlined.items() if key not in ("$ref", "description")
                },
            }
        )
    return parameters


def _inlined(found: dict[str, Any], shared: dict[str, Any]) -> dict[str, Any]:
    """Without references: a parameter's would need a place of their own; they are few and small."""
    if "$ref" in found:
        return {**shared[found["$ref"].rsplit("/", 1)[1]], **found}
    if "anyOf" in found:
        choices = [_inlined(choice, shared) for choice in found["anyOf"]]
        return {
            **found,
            "anyOf": [{key: choice[key] for key in choice if key != "$ref"} for choice in choices],
        }
    return found


def _success(route: Route, refs: dict[Any, Any]) -> dict[str, Any]:
    if route.media is Media.SOCKET:
        return {"description": "Switches to a websocket (101); messages are `{number, kind, data}`."}
    if route.reply is None:
        return {"description": route.summary, "content": {str(route.media): {}}}
    return {
        "description": (route.reply.__doc__ or "").split("\n", 1)[0],
        "content": _json(refs[route.reply, "validation"]),
    }


def _json(schema: Any) -> dict[str, Any]:
    return {str(Media.JSON): {"schema": schema}}


def _right(route: Route) -> list[str]:
    right = RIGHTS[route.name]
    return [str(right)] if isinstance(right, Open) else sorted(map(str, right))
