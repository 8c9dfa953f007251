# SPDX-License-Identifier: GPL-3.0-or-later
"""Conditions of branches: a subset of JsonLogic (jsonlogic.com), the same here and in the RM's page.

``{"==": [{"var": "interested"}, "yes"]}``. Operators: ``== != < <= > >=`` (two values), ``in`` (a value and
a list), ``and or`` (any number of conditions), ``!`` (one condition), ``var`` (a name). Two differences from
JsonLogic: values of different types are never equal, and an order between anything but two numbers, or with
a value that is not known, does not hold. Nothing is ever executed, and nothing raises while a call is on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from scripts_store.errors import BadCondition
from scripts_store.model import Condition

_ORDERS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}
_EQUALITIES: Final = frozenset({"==", "!="})
_MANY: Final = frozenset({"and", "or"})
_DEEPEST: Final = 8


def check(condition: Any, depth: int = 0) -> frozenset[str]:
    """The names a condition asks for.

    Raises:
        BadCondition: an operator not known, a wrong number of values, or more than eight levels.
    """
    if depth > _DEEPEST:
        raise BadCondition(f"Conditions may be {_DEEPEST} levels deep, not more.")
    if not isinstance(condition, dict) or len(condition) != 1:
        raise BadCondition(
            "A condition is one operator with its values, as {'==': [{var: interested}, yes]}."
        )
    ((operator, values),) = condition.items()
    if operator == "!":
        return check(values, depth + 1)
    if not isinstance(values, list):
        raise BadCondition(f"The operator {operator!r} needs a list of values.")
    if operator in _MANY:
        if not values:
            raise BadCondition(f"The operator {operator!r} needs one condition at least.")
        return frozenset().union(*(check(value, depth + 1) for value in values))
    if operator not in _EQUALITIES | _ORDERS.keys() | {"in"}:
        known = ", ".join(sorted([*_EQUALITIES, *_ORDERS, *_MANY, "in", "!"]))
        raise BadCondition(f"The operator {operator!r} is not known; there are {known}.")
    if len(values) != 2:
        raise BadCondition(f"The operator {operator!r} needs two values, not {len(values)}.")
    if operator == "in":
        if not isinstance(values[1], list) or not all(_is_plain(one) for one in values[1]):
            raise BadCondition("The second value of 'in' must be a list of texts or numbers.")
        return _names(values[0])
    return _names(values[0]) | _names(values[1])


def holds(condition: Condition, answers: Mapping[str, Any]) -> bool:
    """Whether a checked condition holds. A name without an answer is not known: equal to nothing."""
    ((operator, values),) = condition.items()
    match operator:
        case "!":
            return not holds(values, answers)
        case "and":
            return all(holds(value, answers) for value in values)
        case "or":
            return any(holds(value, answers) for value in values)
        case "in":
            return any(_equal(_value(values[0], answers), one) for one in values[1])
        case "==" | "!=":
            equal = _equal(_value(values[0], answers), _value(values[1], answers))
            return equal == (operator == "==")
    left, right = _value(values[0], answers), _value(values[1], answers)
    return _is_number(left) and _is_number(right) and _ORDERS[operator](left, right)


def fill(condition: Condition, values: Mapping[str, Any]) -> dict[str, Any]:
    """The condition with the names in ``values`` replaced by what they stand for; other names stay."""
    filled: dict[str, Any] = _filled(condition, values)
    return filled


def _filled(part: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(part, dict):
        if part.keys() == {"var"} and part["var"] in values:
            return values[part["var"]]
        return {operator: _filled(value, values) for operator, value in part.items()}
    if isinstance(part, list):
        return [_filled(one, values) for one in part]
    return part


def _names(value: Any) -> frozenset[str]:
    if isinstance(value, dict):
        if value.keys() != {"var"} or not isinstance(value["var"], str):
            raise BadCondition("A value is a text, a number or {var: name}.")
        return frozenset({value["var"]})
    if not _is_plain(value):
        raise BadCondition("A value is a text, a number or {var: name}.")
    return frozenset()


def _value(part: Any, answers: Mapping[str, Any]) -> Any:
    return answers.get(part["var"]) if isinstance(part, dict) else part


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_plain(value: Any) -> bool:
    return isinstance(value, str) or _is_number(value)


def _equal(left: Any, right: Any) -> bool:
    if _is_number(left) and _is_number(right):
        return bool(left == right)
    return isinstance(left, str) and isinstance(right, str) and left == right
