"""Whether the amounts of a message lie within what the handler may decide."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, NamedTuple

from complaint_nlp.facts.types import FactKind

if TYPE_CHECKING:
    from complaint_nlp.playbook.strategy.plan import Case
    from complaint_nlp.playbook.strategy.schema import AuthorityFile
    from complaint_nlp.playbook.strategy.when import AmountState

# the fact's value where the message names no currency
_UNKNOWN = "?"
_CODE_LENGTH = 3


class AmountCheck(NamedTuple):
    """The amount that needs the most authority.

    Attributes:
        state: ``within`` or ``over`` the limit of the handling team, or ``no_limit`` for a currency without limits.
        decider: the level that decides on it.
        shown: the amount and its currency, for people to read.
        limit_shown: up to where the level named in the note decides; empty without limits.
    """

    state: AmountState
    decider: str
    shown: str
    limit_shown: str


def check_amounts(case: Case, file: AuthorityFile) -> AmountCheck | None:
    """Return the amount of ``case`` that needs the most authority, ``None`` when it names none."""
    ranks = list(file.levels)
    checked: list[tuple[int, Decimal, AmountCheck]] = []
    for fact in case.facts.of(FactKind.AMOUNT):
        amount, currency = _parse(fact.value)
        if amount is not None:
            check = _check(amount, currency, case, file)
            checked.append((ranks.index(check.decider), amount, check))
    return max(checked, key=lambda item: item[:2])[2] if checked else None


def _parse(value: str | None) -> tuple[Decimal | None, str]:
    """Return amount and currency of ``"1234.50 TWD"``; no amount where the value has another form."""
    number, _, currency = (value or "").partition(" ")
    try:
        amount = Decimal(number)
    except InvalidOperation:
        return None, currency
    known = currency.isascii() and currency.isupper() and len(currency) == _CODE_LENGTH
    return (amount if amount.is_finite() and amount >= 0 else None), currency if known else _UNKNOWN


def _check(amount: Decimal, currency: str, case: Case, file: AuthorityFile) -> AmountCheck:
    shown = _show(amount, currency)
    if currency == _UNKNOWN:
        limits = file.limits[file.unknown_currency["zh-Hant" if case.language == "zh-Hant" else "zh-Hans"]]
    elif currency in file.limits:
        limits = file.limits[currency]
    else:
        return AmountCheck("no_limit", file.other_currency, shown, "")
    levels = list(file.levels)
    decider = next((level for level in levels if level in limits and amount <= Decimal(str(limits[level]))), levels[-1])
    if levels.index(decider) <= levels.index(file.over_limit_above):
        return AmountCheck("within", decider, shown, _show(Decimal(str(limits[decider])), currency))
    return AmountCheck("over", decider, shown, _show(Decimal(str(limits[file.over_limit_above])), currency))


def _show(amount: Decimal, currency: str) -> str:
    number = f"{amount:,f}"
    if "." in number:
        number = number.rstrip("0").rstrip(".")
    return number if currency == _UNKNOWN else f"{number} {currency}"
