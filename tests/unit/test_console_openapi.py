# SPDX-License-Identifier: GPL-3.0-or-later
"""The API's description: valid OpenAPI 3.1, of every route, and true of real answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from accounts.permissions import Role
from console.app import ROUTES
from console.guard import OUR_HEADER
from tests.console_site import Site, open_site


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path) as opened:
        yield opened


@pytest.fixture
async def description(site: Site) -> dict[str, Any]:
    answer = await (await site.visitor()).get("/api/v1/openapi.json")
    assert answer.status == 200
    return await answer.json()


async def test_it_is_valid(description: dict[str, Any]) -> None:
    """By the official schema and the validator's further rules (references, path parameters, unique ids)."""
    errors = list(OpenAPIV31SpecValidator(description).iter_errors())
    assert errors == []


async def test_it_describes_every_route_and_no_other(description: dict[str, Any]) -> None:
    """With its rights, its tag, a summary and the form of a refusal."""
    described = {
        f"{method.upper()} {path}" for path, methods in description["paths"].items() for method in methods
    }
    assert described == {route.name for route in ROUTES if route.is_api}
    for methods in description["paths"].values():
        for method, operation in methods.items():
            assert operation["summary"]
            assert operation["x-right"]
            assert "default" in operation["responses"]
            headers = [item["name"] for item in operation["parameters"] if item["in"] == "header"]
            assert (OUR_HEADER in headers) is (method != "get")


async def test_every_reply_says_what_its_fields_are(description: dict[str, Any]) -> None:
    """Each schema that stands for a model of ours has a description."""
    silent = [
        name for name, schema in description["components"]["schemas"].items() if not schema.get("description")
    ]
    assert silent == []


@pytest.mark.parametrize(
    "path",
    ["/me", "/rms", "/campaigns", "/campaigns/spring", "/floor", "/health", "/imports"],
)
async def test_answers_are_what_is_described(site: Site, description: dict[str, Any], path: str) -> None:
    """Real answers fit their schemas, and so does a refusal."""
    visitor = await site.logged_in(Role.SUPERVISOR)
    await site.account(Role.RM, "anna")
    await site.campaign("spring", customers=1)
    template = "/api/v1" + path.replace("spring", "{campaign}")
    responses = description["paths"][template]["get"]["responses"]
    answer = await visitor.get(f"/api/v1{path}")
    assert_fits(description, responses["200"], await answer.json())
    refused = await (await site.visitor()).get("/api/v1/me")
    assert_fits(description, responses["default"], await refused.json())


def assert_fits(description: dict[str, Any], response: dict[str, Any], answer: Any) -> None:
    schema = response["content"]["application/json"]["schema"]
    Draft202012Validator(
        {**schema, "components": description["components"]},
        format_checker=Draft202012Validator.FORMAT_CHECKER,
    ).validate(answer)
