# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts are rendered safely, whatever is in a customer's name or an author's mind."""

from __future__ import annotations

import html
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts_store.conditions import holds
from scripts_store.errors import MissingValue, NotFound
from scripts_store.render import BadText, rendered, variables_of
from scripts_store.store import SAMPLES, Store

TODAY = date(2026, 11, 21)
KNOWN: dict[str, Any] = {
    "customer": {"first_name": "Inês", "segment": "retail", "last_product": "credit card"},
    "rm": {"first_name": "Anna"},
    "campaign": {"company": "Banco Norte"},
    "call": {"id": "4F7K-2QX9"},
}


@pytest.fixture(scope="module")
def samples() -> Store:
    return Store.load(SAMPLES)


@given(st.text())
def test_no_value_gets_markup_into_the_page(name: str) -> None:
    """Whatever a customer is called, the page shows those signs and runs none of them."""
    text = rendered("Hello {{ customer.first_name }}!", {"customer.first_name": name})
    assert "<" not in text
    assert ">" not in text
    assert html.unescape(text) == f"Hello {name}!".strip() or not name.isprintable()


@pytest.mark.parametrize("value", ["{{ call.id }}", "{% if true %}x{% endif %}", "{{ customer.first_name }}"])
def test_a_value_is_never_read_as_a_template(value: str) -> None:
    """A customer called {{ call.id }} is called so."""
    values = {"customer.first_name": value, "call.id": "4F7K-2QX9"}
    assert rendered("{{ customer.first_name }}", values) == value


def test_the_variables_of_a_text_are_found() -> None:
    """In output, in conditions and in filters' arguments."""
    text = (
        "{% if customer.last_product != '' %}{{ customer.name | default: rm.name }}{% endif %}"
        "{% unless customer.segment == 'a' %}{{ call.id | upcase }}{% endunless %}"
    )
    assert variables_of(text) == {
        "customer.last_product",
        "customer.name",
        "rm.name",
        "customer.segment",
        "call.id",
    }


@pytest.mark.parametrize(
    "text",
    [
        "{{ customer.name",
        "{% if customer.name %}never ended",
        "{% for letter in customer.name %}x{% endfor %}",
        "{% assign x = 1 %}",
        "{% capture x %}{% endcapture %}",
        "{% include 'other' %}",
        "{% render 'other' %}",
        "{% cycle 1, 2 %}",
        "{% increment n %}",
        "{% tablerow x in customer.name %}{% endtablerow %}",
        "{% echo customer.name %}",
        "{% liquid echo customer.name %}",
        "{{ customer.name | safe }}",
        "{{ 'now' | date: '%H' }}",
        "{{ customer.name | split: '' }}",
        "{{ customer[rm.name] }}",
        "{% if a %}{% if a %}{% if a %}{% if a %}{% if a %}x{% endif %}{% endif %}{% endif %}{% endif %}{% endif %}",
    ],
)
def test_what_a_text_does_not_need_is_refused(text: str) -> None:
    """No loops, no loading, no clock, no way round the escaping, no deep nesting."""
    with pytest.raises(BadText):
        variables_of(text)


def test_the_sample_is_rendered_whole_for_one_call(samples: Store) -> None:
    """Every node in the customer's language, with the call ID in the line that must be read; JSON-able."""
    script = samples.render("term-deposit", KNOWN, "pt")
    assert (script.script_id, script.version, script.locale, script.start) == (
        "term-deposit",
        1,
        "pt",
        "open",
    )
    nodes = {node["id"]: node for node in script.nodes}
    assert nodes["open"]["say"].startswith("Bom dia, Inês. Fala Anna, do Banco Norte.")
    assert nodes["close"]["must_read"]
    assert "4F7K-2QX9" in nodes["close"]["say"]
    assert [option["label"] for option in nodes["open"]["ask"]["options"]][:2] == ["Sim", "Mais tarde"]
    assert json.loads(json.dumps(script.as_json())) == script.as_json()
    assert "{{" not in json.dumps(script.as_json())


@pytest.mark.parametrize(
    ("wanted", "used"), [("pt", "pt"), ("pt-BR", "pt"), ("en-gb", "en"), ("ja", "en"), (None, "en")]
)
def test_the_nearest_locale_is_used(samples: Store, wanted: str | None, used: str) -> None:
    """A regional tag falls back to its language, an unknown language to the script's first."""
    assert samples.render("term-deposit", KNOWN, wanted).locale == used
    assert samples.guideline("tone", wanted, TODAY).locale == used


def test_a_fallback_is_said_where_there_is_no_value(samples: Store) -> None:
    """Missing, empty or of a strange type: the author's fallback stands in."""
    for customer in ({}, {"first_name": ""}, {"first_name": None}, {"first_name": ["x"]}, None):
        script = samples.render("term-deposit", {**KNOWN, "customer": customer}, "en")
        assert script.nodes[0]["say"].startswith("Good day, dear customer.")


@pytest.mark.parametrize("gone", ["rm", "campaign", "call"])
def test_without_a_required_value_nothing_is_rendered(samples: Store, gone: str) -> None:
    """The RM is told, and nobody is dialed."""
    with pytest.raises(MissingValue, match=rf"needs {gone}\."):
        samples.render("term-deposit", {**KNOWN, gone: {}}, "en")


def test_only_declared_variables_are_looked_at(samples: Store) -> None:
    """What else is known of a customer does not reach the script."""
    more = {**KNOWN, "customer": {**KNOWN["customer"], "name": "Inês Secret", "iban": "PT50"}}
    assert samples.render("term-deposit", more, "en") == samples.render("term-deposit", KNOWN, "en")


@pytest.mark.parametrize(("segment", "to"), [("private", "adviser"), ("retail", "amount"), ("", "amount")])
def test_branches_know_the_customer_without_naming_them(samples: Store, segment: str, to: str) -> None:
    """A condition on the customer is answered when it is rendered; the page asks for answers only."""
    mapping = {**KNOWN, "customer": {"segment": segment}}
    offer = next(
        node for node in samples.render("term-deposit", mapping, "en").nodes if node["id"] == "offer"
    )
    taken = next(
        branch["go"]
        for branch in offer["next"]
        if branch["when"] is None or holds(branch["when"], {"interested": "yes"})
    )
    assert taken == to
    assert "customer.segment" not in json.dumps(offer)


def test_guidelines_say_when_their_review_is_overdue(samples: Store) -> None:
    """On the day itself they are not yet."""
    tone = samples.guideline("tone", "en", TODAY)
    assert (tone.title, len(tone.points), tone.overdue) == ("How we speak", 4, False)
    assert not samples.guideline("tone", "en", tone.review_by).overdue
    assert samples.guideline("tone", "en", date(2027, 7, 1)).overdue
    everything = samples.guidelines("pt", TODAY)
    assert [guideline.guideline_id for guideline in everything] == ["data-protection", "objections", "tone"]
    assert json.dumps([guideline.as_json() for guideline in everything])


def test_only_what_is_published_is_found(samples: Store) -> None:
    """Neither a wrong name nor a draft is ever said to a customer."""
    with pytest.raises(NotFound, match="no published script 'loan'"):
        samples.render("loan", KNOWN, "en")
    with pytest.raises(NotFound, match="no published guideline 'loan'"):
        samples.guideline("loan", "en", TODAY)


def test_the_highest_published_version_is_used(tmp_path: Path) -> None:
    """A draft with a higher number waits; the version before is not said any more."""
    source = (SAMPLES / "tone.yaml").read_text("utf-8")
    for version, status in ((1, "published"), (2, "published"), (3, "draft"), (4, "retired")):
        text = source.replace("version: 1", f"version: {version}").replace(
            "status: published", f"status: {status}"
        )
        (tmp_path / f"tone-{version}.yaml").write_text(text, "utf-8")
    store = Store.load(tmp_path)
    assert store.guideline("tone", "en", TODAY).version == 2


def test_a_stores_digest_is_that_of_its_files(samples: Store, tmp_path: Path) -> None:
    """The same files give the same digest; one changed word another."""
    for file in SAMPLES.glob("*.yaml"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    assert Store.load(tmp_path).digest == samples.digest
    tone = tmp_path / "tone.yaml"
    tone.write_text(tone.read_text("utf-8").replace("slowly", "slower"), "utf-8")
    changed = Store.load(tmp_path)
    assert changed.digest != samples.digest
    assert changed.guideline("tone", "en", TODAY).digest != samples.guideline("tone", "en", TODAY).digest
