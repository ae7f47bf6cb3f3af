"""The expression language: what it reads, and that it refuses the rest with a reason."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.imports.expressions import Column, Constant, Expression, ExpressionError, Literal, Step, parse
from services.ingest.imports.filters import FILTERS, Known, kind_of
from services.ingest.imports.values import Kind

KNOWN = Known(
    columns=frozenset({"a", "b", "Close Date"}),
    constants={"currency": "USD", "style": "comma"},
    maps=frozenset({"stages"}),
    corrections=frozenset({"names"}),
    lookups={"orders": frozenset({"customer"})},
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", Expression("a", Column("a"))),
        ("[Close Date]", Expression("[Close Date]", Column("Close Date"))),
        ("$currency", Expression("$currency", Constant("currency"))),
        ("text:GTX Pro", Expression("text:GTX Pro", Literal("GTX Pro"))),
        ("text:'a | b'", Expression("text:'a | b'", Literal("a | b"))),
        ("text:'it''s'", Expression("text:'it''s'", Literal("it's"))),
        ("true", Expression("true", Literal(value=True))),
        ("null", Expression("null", Literal(None))),
        ("text", Expression("text", Column("text"))),
        (" a|at:12:00 ", Expression(" a|at:12:00 ", Column("a"), (Step("at", (Literal("12:00"),)),))),
        (
            "a | concat:'-',[b], $currency",
            Expression(
                "a | concat:'-',[b], $currency",
                Column("a"),
                (Step("concat", (Literal("-"), Column("b"), Constant("currency"))),),
            ),
        ),
    ],
)
def test_reads(text: str, expected: Expression) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "missing"),
        ("a |", "missing"),
        ("a | is:", "missing"),
        ("a | is:x,", "missing"),
        ("'fixed'", "text:"),
        ("a:b", "filter comes after"),
        ("text:[b]", "the text itself"),
        ("a | [b]", "name of a filter"),
        ("a | 'is'", "name of a filter"),
        ("[a", "] is missing"),
        ("a | is:'x", "closing ' is missing"),
        ("a | is:'x'y", "cannot be read from character"),
    ],
)
def test_refuses(text: str, reason: str) -> None:
    with pytest.raises(ExpressionError, match=reason.replace("]", r"\]")):
        parse(text)


@given(st.text(alphabet="ab$[]'|:, text\n", max_size=30) | st.text(max_size=30))
def test_whatever_is_written_is_read_or_refused(text: str) -> None:
    with suppress(ExpressionError):
        assert kind_of(parse(text), KNOWN) in Kind


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("a", Kind.TEXT),
        ("a | date", Kind.DATE),
        ("a | date:DD.MM.YYYY | at:18:00", Kind.INSTANT),
        ("a | date | default:$as_of", Kind.DATE),
        ("a | instant:DD/MM/YYYY hh:mm", Kind.INSTANT),
        ("a | times:[b] | money:USD", Kind.MONEY),
        ("a | money:[b],comma", Kind.MONEY),
        ("a | money:$currency", Kind.MONEY),
        ("a | decimal:$style", Kind.DECIMAL),
        ("a | whole | clear", Kind.WHOLE),
        ("a | date | concat:'/',[b]", Kind.TEXT),
        ("a | flag:yes,no | not", Kind.FLAG),
        ("a | lookup:orders.customer | pseudonym", Kind.TEXT),
        ("a | found:orders", Kind.FLAG),
        ("$as_of", Kind.DATE),
        ("false", Kind.FLAG),
        ("null", Kind.NULL),
    ],
)
def test_kinds_are_known_before_any_row(text: str, kind: Kind) -> None:
    assert kind_of(parse(text), KNOWN) is kind


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("c", "no column 'c'"),
        ("$c", r"no constant \$c"),
        ("a | upside_down", "no filter"),
        ("a | at:12:00", "at takes a date"),
        ("a | date | money:USD", "money takes text or a decimal"),
        ("a | date:DD.MM", "names YYYY"),
        ("a | date:DD.MM.YYYY hh", "no time of day"),
        ("a | date | at:noon", "written 18:00"),
        ("a | date | at:12", "written 18:00"),
        ("a | decimal:thousands", "plain, point, comma"),
        ("a | money:DOLLAR", "ISO 4217"),
        ("a | money:USD,thousands", "plain, point, comma"),
        ("a | money", "1 to 2 arguments"),
        ("a | blank:x", "has nothing after its colon"),
        ("a | flag:yes", "has 2 after its colon"),
        ("a | map:nothing", "under `maps`"),
        ("a | correct:nothing", "under `corrections`"),
        ("a | found:nothing", "under `lookups`"),
        ("a | lookup:orders", "no such column"),
        ("a | lookup:nothing.x", "<lookup>.<column>"),
        ("a | is:[b]", "takes no column"),
        ("a | is:$as_of", "cannot use a date"),
        ("a | default:$as_of", "cannot use a date"),
        ("a | date | default:x", "cannot use text"),
        ("a | clear | date", "must be the last"),
        ("null | blank", "here it gets null"),
        ("a | join:$nothing", "no constant"),
    ],
)
def test_what_does_not_fit_is_refused_before_any_row(text: str, reason: str) -> None:
    with pytest.raises(ExpressionError, match=reason):
        kind_of(parse(text), KNOWN)


def test_every_filter_says_what_it_does() -> None:
    assert all(known.make.__doc__ for known in FILTERS.values())
