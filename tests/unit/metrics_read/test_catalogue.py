"""The catalogue is whole, says the truth about itself, and its page is up to date."""

import re
from pathlib import Path

import pytest

from services.metrics.domain.kpis import CATALOGUE
from services.metrics.domain.kpis.__main__ import PAGE, main
from services.metrics.domain.kpis.declaration import Kind, Kpi, Quotient, Unit

FACTS = {
    "deal_postings": {"open", "created", "created-won", "won", "lost", "advanced", "dropped", "undecided"},
    "trade_postings": {
        "order", "ordered", "shipped", "returned", "invoiced", "credited-return", "credited-allowance",
        "credited-correction", "billable-shipped", "billable-returned", "billable-invoiced", "billable-credited",
    },
    "cash_postings": {"received", "refunded", "bill-pending", "applied", "on-account", "unallocated"},
}  # fmt: skip

EVERY = pytest.mark.parametrize("kpi", CATALOGUE.values(), ids=list(CATALOGUE))


def test_it_holds_the_first_kpis() -> None:
    assert list(CATALOGUE) == [
        "open-pipeline-count", "open-pipeline-value",
        "deals-created-count", "deals-created-value", "deals-won-count", "deals-won-value",
        "deals-lost-count", "deals-lost-value",
        "win-rate-all", "win-rate-all-value", "win-rate-closed", "win-rate-closed-value",
        "average-deal-size", "stage-conversion", "sales-cycle-won", "sales-cycle-lost", "sales-velocity",
        "order-count", "active-customers", "revenue", "volume", "gross-profit", "gross-profit-rate",
        "collections", "receivables", "prepayments",
    ]  # fmt: skip


@EVERY
def test_it_can_be_read_by_people(kpi: Kpi) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", kpi.slug)
    assert kpi.title.en.isascii()
    assert re.search(r"[\u4e00-\u9fff]", kpi.title.zh)
    assert kpi.words.endswith(".")
    assert kpi.null_rule.endswith(".")
    assert kpi.revision >= 1


@EVERY
def test_it_is_made_of_facts_that_are_posted(kpi: Kpi) -> None:
    for formula in kpi.formulas.values():
        for part in (*formula.parts, *(beside.part for beside in kpi.beside)):
            assert set(part.facts) <= FACTS[part.ledger.name]


@EVERY
def test_it_is_sliced_by_what_its_ledgers_tell_apart(kpi: Kpi) -> None:
    for part in kpi.any_formula.parts:
        if kpi.kind is not Kind.BALANCE or part.ledger.name == "trade_postings":
            assert set(kpi.dimensions) <= set(part.ledger.dimension_types)
    assert set(kpi.sliced_by) <= set(kpi.dimensions)
    assert not {"related", "days", "document"} & set(kpi.dimensions)


@EVERY
def test_only_what_is_divided_is_rounded(kpi: Kpi) -> None:
    divided = isinstance(kpi.any_formula, Quotient) or kpi.kind is Kind.DURATION
    assert bool(kpi.digits) == divided
    assert (kpi.unit is Unit.RATIO) <= divided


@EVERY
def test_all_bases_are_built_alike(kpi: Kpi) -> None:
    assert len({type(formula) for formula in kpi.formulas.values()}) == 1
    assert set(kpi.formulas) == ({""} if not kpi.bases else set(kpi.bases))


def test_the_page_is_up_to_date() -> None:
    assert main(["--check"]) == 0


def test_a_stale_page_is_noticed_and_written(tmp_path: Path) -> None:
    assert main(["--check"], tmp_path) == 1
    assert main([], tmp_path) == 0
    assert main(["--check"], tmp_path) == 0
    (tmp_path / PAGE).write_text("something else")
    assert main(["--check"], tmp_path) == 1
