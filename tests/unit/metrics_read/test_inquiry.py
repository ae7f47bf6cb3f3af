from datetime import date

import pytest

from services.metrics.domain.durations import read_days, read_duration
from services.metrics.domain.inquiry import Asked, Related, View, inquire, must_be_single
from services.metrics.domain.kpis import CATALOGUE
from services.metrics.domain.spans import Compare
from shared.kernel.errors import CurrencyMismatchError, InvalidInputError
from shared.kernel.period import Grain

JANUARY, JUNE = date(2026, 1, 1), date(2026, 6, 1)


@pytest.mark.parametrize(
    ("slug", "asked", "where"),
    [
        ("revenue", Asked(start=JUNE, end=JANUARY), ["to"]),
        ("revenue", Asked(start=date(1, 1, 1)), ["from"]),
        ("revenue", Asked(known_at=date(9999, 12, 31)), ["known_at"]),
        ("revenue", Asked(by=("colour",)), ["by"]),
        ("revenue", Asked(by=("team", "team")), ["by"]),
        ("revenue", Asked(by=("related",)), ["by"]),
        ("revenue", Asked(by=("stage",)), ["by"]),
        ("revenue", Asked(where={"stage": ("won",)}), ["filter"]),
        ("revenue", Asked(basis="paid"), ["basis"]),
        ("win-rate-all", Asked(basis="ordered"), ["basis"]),
        ("revenue", Asked(window=30), ["window"]),
        ("sales-velocity", Asked(window=0), ["window"]),
        ("revenue", Asked(compare=Compare.PREVIOUS), ["compare"]),
        ("win-rate-all", Asked(view=View.CONSTANT), ["currency-view"]),
        ("gross-profit", Asked(view=View.CONSTANT), ["currency-view"]),
        ("receivables", Asked(by=("region",)), ["by"]),
    ],
)
def test_what_makes_no_sense_is_named(slug: str, asked: Asked, where: list[str]) -> None:
    with pytest.raises(InvalidInputError) as caught:
        inquire(CATALOGUE[slug], asked)
    assert [fault.where for fault in caught.value.faults] == where


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(InvalidInputError) as caught:
        inquire(CATALOGUE["revenue"], Asked(start=JUNE, end=JANUARY, by=("colour",), basis="paid", window=30))
    assert [fault.where for fault in caught.value.faults] == ["to", "by", "basis", "window"]


def test_two_currencies_are_never_one_sum() -> None:
    revenue = CATALOGUE["revenue"]
    with pytest.raises(CurrencyMismatchError):
        inquire(revenue, Asked(view=View.ORIGINAL))
    with pytest.raises(CurrencyMismatchError):
        inquire(revenue, Asked(view=View.ORIGINAL, where={"currency": ("EUR", "USD")}))
    assert inquire(revenue, Asked(view=View.ORIGINAL, where={"currency": ("EUR",)})).currency == "EUR"
    assert inquire(revenue, Asked(view=View.ORIGINAL, by=("currency",))).by == ("currency",)


def test_a_default_basis_is_the_companys_where_it_has_the_choice() -> None:
    assert inquire(CATALOGUE["receivables"], Asked(), default_basis="shipped").basis == "shipped"
    assert inquire(CATALOGUE["receivables"], Asked(basis="invoiced"), default_basis="shipped").basis == "invoiced"
    assert inquire(CATALOGUE["revenue"], Asked()).basis == "ordered"
    assert inquire(CATALOGUE["win-rate-all"], Asked()).basis == ""


def test_stages_are_never_summed() -> None:
    conversion = CATALOGUE["stage-conversion"]
    assert inquire(conversion, Asked()).by == ("pipeline", "stage")
    one = inquire(conversion, Asked(where={"pipeline": ("default",), "stage": ("qualification",)}))
    must_be_single(one)
    with pytest.raises(InvalidInputError):
        must_be_single(inquire(conversion, Asked(where={"stage": ("qualification", "won")})))


def test_related_parties_are_a_line_of_their_own_when_included() -> None:
    assert inquire(CATALOGUE["revenue"], Asked(by=("related",), related=Related.INCLUDE)).by == ("related",)


def test_a_comparison_needs_something_before() -> None:
    assert inquire(CATALOGUE["revenue"], Asked(start=JANUARY, end=JUNE, compare=Compare.PREVIOUS))
    assert inquire(CATALOGUE["revenue"], Asked(grain=Grain.MONTH, compare=Compare.PREVIOUS))


@pytest.mark.parametrize(
    ("text", "seconds"), [("P30D", 2_592_000), ("P2W", 1_209_600), ("PT15M", 900), ("P1DT1H", 90_000)]
)
def test_durations_are_read(text: str, seconds: int) -> None:
    assert read_duration(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "P", "PT", "P1M", "P1Y", "30", "P-1D", "P1.5D", "P1D ", "p1d", "P٣D", "P999999D"])
def test_what_has_no_exact_length_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="ISO 8601"):
        read_duration(text)


def test_days_are_whole() -> None:
    assert read_days("P4W") == 28
    with pytest.raises(ValueError, match="whole days"):
        read_days("PT36H")
