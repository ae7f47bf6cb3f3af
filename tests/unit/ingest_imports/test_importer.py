"""What rows say: fields, conditions, collections, joins. A row counts whole or not at all; none is dropped unseen."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.ingest.imports import ImportRequest, Limits, Rejection, read_mapping
from shared.kernel.errors import InvalidInputError
from shared.kernel.ids import derived_id
from tests.unit.ingest_imports.reading import AS_OF, DEALS, HEAD, UTC_ZONE, data_of, deals, read

ROW = "D1,2026-03-01,5,m"


def with_fields(fields: str, *, before: str = "", attributes: str = "") -> str:
    """DEALS with other fields, other parts before its files, and more attributes of its template."""
    start = DEALS.index("          amount:")
    template = DEALS[:start] + "".join(f"          {line}\n" for line in fields.splitlines())
    template = template.replace("        fields:\n", f"{attributes}        fields:\n")
    return template.replace("files:\n", f"{before}files:\n", 1)


def said(fields: str, *rows: str, before: str = "") -> object:
    return data_of(read(with_fields(fields, before=before), deals(*(rows or (ROW,)))).draft)


def test_a_row_becomes_an_event() -> None:
    draft = read(DEALS, deals(" D1 ,2026-03-01,5.50, m ")).draft
    assert (draft.entity, draft.type, draft.source) == ("deal", "io.quintant.deal.changed.v1", "/import/crm")
    assert draft.id == "deal:D1@2026-03-31T18:00:00Z"
    assert (draft.subject, draft.row, draft.place) == ("D1", 2, "deals.csv, row 2")
    assert draft.occurred_at == datetime(2026, 3, 1, tzinfo=UTC)
    assert draft.sequence == AS_OF.timestamp() * 1_000_000
    assert data_of(draft) == {"id": "D1", "amount": {"amount": "5.5", "currency": "USD"}, "owner_id": "m"}


def test_what_is_blank_is_unsaid_unless_it_clears() -> None:
    assert said("owner_id: owner", "D1,2026-03-01,5, ") == {"id": "D1"}
    assert said("owner_id: owner | clear", "D1,2026-03-01,5,") == {"id": "D1", "owner_id": None}
    assert said("created_on: owner | date | clear", "D1,2026-03-01,5,") == {"id": "D1", "created_on": None}
    assert said("owner_id: null") == {"id": "D1", "owner_id": None}


@pytest.mark.parametrize(
    ("fields", "row", "expected"),
    [
        ("title: text:Big deal", ROW, {"title": "Big deal"}),
        ("title: $line", ROW, {"title": "hardware"}),
        ("title: $as_of | concat:' ',$line", ROW, {"title": "2026-03-31 hardware"}),
        ("title: owner | concat:'-',[amount]", ROW, {"title": "m-5"}),
        ("title: owner | concat:'-',[amount]", "D1,2026-03-01,,m", {}),
        ("title: owner | join:', ',[amount],[id]", "D1,2026-03-01,,m", {"title": "m, D1"}),
        ("title: amount | join:', '", "D1,2026-03-01,,m", {}),
        ("title: owner | map:teams", ROW, {"title": "East"}),
        ("title: owner | correct:teams", "D1,2026-03-01,5,k", {"title": "k"}),
        ("title: opened | date | concat:'!'", ROW, {"title": "2026-03-01!"}),
        ("title: amount | decimal | concat:'!'", "D1,2026-03-01,5.50,m", {"title": "5.5!"}),
        ("quantity: amount | times:[amount]", "D1,2026-03-01,1.1,m", {"quantity": "1.21"}),
        ("quantity: amount | decimal:comma", 'D1,2026-03-01,"1.000,50",m', {"quantity": "1000.5"}),
        ("quantity: amount | times:[owner]", "D1,2026-03-01,1.1,", {}),
        ("amount: amount | money:[owner]", "D1,2026-03-01,5,EUR", {"amount": {"amount": "5", "currency": "EUR"}}),
        (
            "amount: amount | money:$coin,point",
            'D1,2026-03-01,"1,000",m',
            {"amount": {"amount": "1000", "currency": "CNY"}},
        ),
        ("amount: amount | decimal | money:USD", "D1,2026-03-01,,m", {}),
        ("expected_close_on: opened | date", ROW, {"expected_close_on": "2026-03-01"}),
        ("expected_close_on: owner | date:D.M.YYYY", "D1,2026-03-01,5,1.4.2026", {"expected_close_on": "2026-04-01"}),
        ("competitor_ids: {id: owner, fields: {}}", ROW, {"competitor_ids": {"m": {}}}),
        ("competitor_ids: {id: owner, fields: {}}", "D1,2026-03-01,5,", {}),
        ("competitor_ids: {ACME: {}, Initech: null}", ROW, {"competitor_ids": {"ACME": {}, "Initech": None}}),
        ("owner_id: owner | pseudonym", ROW, {"owner_id": "m-" + derived_id("/import/crm", "m")[:12]}),
        ("owner_id: owner | pseudonym:team", ROW, {"owner_id": "team-" + derived_id("/import/crm", "m")[:12]}),
    ],
)
def test_fields(fields: str, row: str, expected: dict[str, object]) -> None:
    before = "constants: {line: hardware, coin: CNY}\nmaps: {teams: {m: East}}\ncorrections: {teams: {m: East}}\n"
    assert said(fields, row, before=before) == {"id": "D1", **expected}


@pytest.mark.parametrize(
    ("fields", "row", "column", "reason"),
    [
        ("title: owner | map:teams", "D1,2026-03-01,5,k", "owner", "is none of the values of the map teams"),
        ("amount: amount | money:[owner]", "D1,2026-03-01,5,", "amount", "has no currency"),
        ("amount: amount | money:[owner]", "D1,2026-03-01,5,XXX", "owner", "amount unknown currency"),
        ("quantity: amount | times:[owner]", ROW, "amount", "must be a number"),
        ("expected_close_on: owner | date:D.M.YYYY", ROW, "owner", "must be written D.M.YYYY"),
        ("probability: amount | decimal", ROW, "amount", "probability must be a decimal from 0 to 1"),
        ("competitor_ids: {id: owner, fields: {}}", f"D1,2026-03-01,5,{'x' * 300}", "owner", "competitor_ids"),
    ],
)
def test_refused_fields(fields: str, row: str, column: str, reason: str) -> None:
    outcomes = read(with_fields(fields, before="maps: {teams: {m: East}}\n"), deals(row))
    assert outcomes.drafts == []
    assert (outcomes.rejection.row, outcomes.rejection.column) == (2, column)
    assert outcomes.rejection.reason.startswith(reason)


def test_an_event_needs_an_id() -> None:
    rejection = read(DEALS.replace("        id: id", "        id: owner"), deals("D1,2026-03-01,5,")).rejection
    assert (rejection.column, rejection.reason) == ("owner", "is blank, and it is the id of the deal")


def test_whole_numbers_truth_and_dated_reference_data() -> None:
    mapping = DEALS[: DEALS.index("      - entity")] + (
        "      - entity: customer\n        id: id\n        occurred_at: $as_of\n        since: opened | date\n"
        "        ended: amount | is:9\n"
        "        fields: {credit_days: amount | whole, related_party: 'owner | flag:yes,no'}\n"
    )
    fine = read(mapping, deals("C1,2026-03-01,30,yes", "C2,2026-03-01,9,no", "C3,,,"))
    assert [data_of(draft) for draft in fine.drafts] == [
        {"id": "C1", "ended": False, "since": "2026-03-01", "credit_days": 30, "related_party": True},
        {"id": "C2", "ended": True, "since": "2026-03-01", "credit_days": 9, "related_party": False},
        {"id": "C3", "ended": False},
    ]
    assert {draft.occurred_at for draft in fine.drafts} == {datetime(2026, 3, 31, tzinfo=UTC)}
    moved = read(mapping, deals("C1,9999-12-31,1,no"), weeks=1).rejection
    assert (moved.column, moved.reason) == ("opened", "is moved out of the calendar")
    cleared = read(mapping.replace("since: opened | date", "since: opened | date | clear"), deals("C1,,1,no")).draft
    assert data_of(cleared)["since"] is None  # type: ignore[index]
    wrong = read(mapping, deals("C1,2026-03-01,thirty,yes", "C2,2026-03-01,3,maybe", "C3,2026-03-01,9999,no"))
    assert [one.column for one in wrong.rejections] == ["amount", "owner", "amount"]
    assert [one.reason.split(":")[0] for one in wrong.rejections][:2] == ["must be a whole number", "must be yes or no"]


def test_times_of_day_are_the_companys() -> None:
    mapping = DEALS.replace("opened | date", "opened | instant")
    zone = ZoneInfo("Asia/Shanghai")
    local = read(mapping, deals("D1,2026-03-01 09:00:00,5,m"), zone=zone).draft
    assert local.occurred_at == datetime(2026, 3, 1, 1, tzinfo=UTC)
    aware = read(mapping, deals("D1,2026-03-01T09:00:00+01:00,5,m"), zone=zone).draft
    assert aware.occurred_at == datetime(2026, 3, 1, 8, tzinfo=UTC)
    at_noon = read(DEALS.replace("opened | date", "opened | date | at:12:00"), deals(ROW), zone=zone).draft
    assert at_noon.occurred_at == datetime(2026, 3, 1, 4, tzinfo=UTC)
    assert read(mapping, deals(ROW), zone=zone).draft.occurred_at == datetime(2026, 2, 28, 16, tzinfo=UTC)
    assert "must be a time" in read(mapping, deals("D1,noon,5,m")).rejection.reason


def test_an_instant_in_the_data() -> None:
    mapping = DEALS[: DEALS.index("      - entity")] + (
        "      - {entity: activity, id: id, occurred_at: $as_of, fields: {started_at: opened | instant}}\n"
    )
    draft = read(mapping, deals("A1,2026-03-01 09:00:00,5,m"), zone=ZoneInfo("Asia/Shanghai"), weeks=1).draft
    assert data_of(draft) == {"id": "A1", "started_at": "2026-03-08T01:00:00Z"}


def test_conditions() -> None:
    mapping = with_fields("title: owner", attributes="        when: [owner, owner | is_not:x, amount | is:0 | not]\n")
    outcomes = read(mapping, deals("D1,2026-03-01,5,m", "D2,2026-03-01,5,x", "D3,2026-03-01,0,m", "D4,2026-03-01,5,"))
    assert [draft.subject for draft in outcomes.drafts] == ["D1"]
    nothing = outcomes.warning("says-nothing")
    assert (nothing.count, nothing.examples) == (3, (3, 4, 5))


def test_a_row_is_taken_whole_or_not_at_all() -> None:
    closed = "      - {entity: deal, part: closed, id: id, occurred_at: owner | date}\n"
    outcomes = read(DEALS + closed, deals("D1,2026-03-01,5,2026-03-02", "D2,2026-03-01,5,someday"))
    assert [draft.id.partition("@")[0] for draft in outcomes.drafts] == ["deal:D1", "deal-closed:D1"]
    assert (outcomes.rejection.row, outcomes.rejection.column) == (3, "owner")


def test_warnings_are_counted_by_rule_with_the_first_rows() -> None:
    mapping = with_fields(
        "title: owner | correct:names | default:nobody", before="corrections: {names: {Bill: William}}\n"
    )
    mapping = mapping.replace("    events:\n", "    warnings: [{when: amount | blank, says: no amount}]\n    events:\n")
    rows = [f"D{number},2026-03-01,,{'Bill' if number % 2 else ''}" for number in range(12)]
    outcomes = read(mapping, deals(*rows, "D90,never,,Bill"))
    warnings = {(one.rule, one.text): (one.count, one.examples) for one in outcomes.warnings}
    assert warnings == {
        ("corrected-value", 'owner: "Bill" read as "William"'): (6, (3, 5, 7, 9, 11)),
        ("default-used", 'owner is blank: "nobody" is used'): (6, (2, 4, 6, 8, 10)),
        ("declared", "no amount"): (12, (2, 3, 4, 5, 6)),
    }
    assert len(outcomes.rejections) == 1


def test_a_default_may_be_the_as_of_day() -> None:
    mapping = DEALS.replace("opened | date", "opened | date | default:$as_of")
    outcomes = read(mapping, deals("D1,,5,m"), zone=ZoneInfo("Pacific/Auckland"))
    assert outcomes.draft.occurred_at == datetime(2026, 3, 31, 11, tzinfo=UTC)  # 1 April there
    assert outcomes.warning("default-used").text == "opened is blank: $as_of is used"
    assert read(DEALS.replace("owner_id: owner", "owner_id: owner | default:[id]"), deals("D1,2026-03-01,5,")).draft


def test_a_date_after_the_export_is_doubtful() -> None:
    outcomes = read(DEALS, deals("D1,2026-04-01,5,m", "D2,2026-03-31,5,m"))
    assert len(outcomes.drafts) == 2
    assert outcomes.warning("after-as-of").examples == (2,)


def test_keys_that_come_twice() -> None:
    outcomes = read(DEALS, deals(ROW, ROW, "D1,2026-03-01,6,m", "D2,2026-03-01,5,m", ROW + " "))
    assert [draft.subject for draft in outcomes.drafts] == ["D1", "D2"]
    assert outcomes.rejection == Rejection("deals.csv", 4, "id", "row 2 has the same key and other content")
    assert outcomes.warning("duplicate-row").examples == (3, 6)


def test_several_files_of_one_build() -> None:
    mapping = DEALS.replace("name: deals.csv", "name: deals_*.csv")
    head = "id,opened,amount,owner\n"
    files = {
        "deals_2.csv": f"{head}D2,2026-03-01,5,m\nD1,2026-03-01,6,m\n",
        "deals_1.csv": f"{head}{ROW}\n",
        "x.csv": "",
    }
    outcomes = read(mapping, files)
    assert [(draft.file, draft.subject) for draft in outcomes.drafts] == [("deals_1.csv", "D1"), ("deals_2.csv", "D2")]
    assert outcomes.rejection.reason == "row 2 of deals_1.csv has the same key and other content"
    assert outcomes.warning("unused-file").file == "x.csv"


def test_distinct_says_once_what_many_rows_say() -> None:
    team = (
        "      - {entity: organisation-unit, distinct: true, id: owner, occurred_at: $as_of, fields: {name: amount}}\n"
    )
    outcomes = read(
        DEALS + team, deals("D1,2026-03-01,5,m", "D2,2026-03-01,5,m", "D3,2026-03-01,6,m", "D4,2026-03-01,6,n")
    )
    units = [draft for draft in outcomes.drafts if draft.entity == "organisation-unit"]
    assert [(unit.subject, unit.row) for unit in units] == [("m", 2), ("n", 5)]
    assert outcomes.rejection.row == 4
    assert outcomes.rejection.reason == "says something else about organisation-unit than row 2 of deals.csv"


def test_what_the_mapping_says_once() -> None:
    once = "once: [{entity: customer, id: text:home, occurred_at: text:2026-01-01 | date, fields: {kind: text:%s}}]\n"
    draft = read(DEALS.replace("files:\n", once % "company" + "files:\n", 1), deals()).draft
    assert (draft.subject, draft.row, draft.place) == ("home", None, "mapping crm")
    rejection = read(DEALS.replace("files:\n", once % "planet" + "files:\n", 1), deals()).rejection
    assert rejection.reason == "customer: kind must be one of company, person"
    never = once.replace("fields", "when: false, fields") % "company"
    assert read(DEALS.replace("files:\n", never + "files:\n", 1), deals()).drafts == []


ORDERS = (
    HEAD
    + """lookups:
  customers: {file: customers, key: number}
  by_rep: {file: customers, key: rep}
details:
  lines: {file: lines, key: order}
files:
  customers:
    name: customers.csv
    columns: [number, rep]
  lines:
    name: lines.csv
    columns: [order, line, count, price]
    key: [order, line]
  orders:
    name: orders.csv
    columns: [order, day, customer]
    key: order
    events:
      - entity: order
        id: order
        occurred_at: day | date
        fields:
          owner_id: customer | lookup:customers.rep
          lines:
            each: lines
            by: order
            id: line
            fields: {quantity: count | decimal, net: 'count | times:[price] | money:USD'}
"""
)
CUSTOMERS = "number,rep\n1,m\n2,\n"
LINES = "order,line,count,price\nO1,1,2,1.10\nO2,1,1,5\nO1,2,3,1.20\n"
ONE_ORDER = "order,day,customer\nO1,2026-03-01,1\nO2,2026-03-02,2\n"


def orders(*, customers: str = CUSTOMERS, lines: str = LINES, orders: str = ONE_ORDER) -> dict[str, str | bytes]:
    return {"customers.csv": customers, "lines.csv": lines, "orders.csv": orders}


def test_rows_of_other_files() -> None:
    outcomes = read(ORDERS, orders())
    assert outcomes.warnings == []
    assert [data_of(draft) for draft in outcomes.drafts] == [
        {
            "id": "O1",
            "owner_id": "m",
            "lines": {
                "1": {"quantity": "2", "net": {"amount": "2.2", "currency": "USD"}},
                "2": {"quantity": "3", "net": {"amount": "3.6", "currency": "USD"}},
            },
        },
        {"id": "O2", "lines": {"1": {"quantity": "1", "net": {"amount": "5", "currency": "USD"}}}},
    ]


@pytest.mark.parametrize(
    ("line", "column", "reason"),
    [
        ("O1,2,three,1", "count", "must be a number such as 1234.50; row 2 of orders.csv was left out with it"),
        ("O1,2,9999999999999,1", "count", "lines must be a decimal"),
        ("O1,2,1,9999999999999999", "count", "lines must be a decimal"),
        (f"O1,{'2' * 300},1,1", "line", "lines "),
    ],
)
def test_a_bad_line_takes_its_order_with_it(line: str, column: str, reason: str) -> None:
    outcomes = read(ORDERS, orders(lines=f"{LINES}{line}\n".replace("O1,2,3,1.20\n", "")))
    assert [draft.subject for draft in outcomes.drafts] == ["O2"]
    assert (outcomes.rejection.file, outcomes.rejection.row, outcomes.rejection.column) == ("lines.csv", 4, column)
    assert outcomes.rejection.reason.startswith(reason)


def test_dirt_in_joined_files_is_told_once() -> None:
    lines = LINES + "O1,2\nO1,2,4,1.20\nO1,1,2,1.10\nO9,1,1,1\n,1,1,1\n"
    outcomes = read(ORDERS, orders(lines=lines))
    assert [(one.row, one.reason) for one in outcomes.rejections] == [
        (5, "has 2 fields, the header has 4"),
        (6, "row 4 has the same key and other content"),
        (9, "is blank, and it tells the rows apart"),
        (8, "no row of another file refers to it"),
    ]
    assert len(outcomes.drafts) == 2
    assert outcomes.warning("duplicate-row").examples == (7,)


def test_lines_without_a_declared_key() -> None:
    mapping = ORDERS.replace("    key: [order, line]\n", "")
    twice = read(mapping, orders(lines=LINES + "O1,2,3,1.20\n"))
    assert (twice.rejection.row, twice.rejection.column) == (5, "line")
    assert twice.rejection.reason.startswith("is the same as in another entry")
    blank = read(mapping, orders(lines=LINES + "O1,,3,1.20\n,9,1,1\n"))
    assert [(one.row, one.column) for one in blank.rejections] == [(6, "order"), (5, "line")]
    undated = mapping.replace("{file: lines, key: order}", "{file: lines, key: price | date | concat:''}")
    assert {one.reason for one in read(undated, orders()).rejections} == {"must be a date such as 2026-03-31"}


def test_an_order_without_a_key_for_its_lines() -> None:
    mapping = ORDERS.replace("by: order", "by: customer")
    outcomes = read(mapping, orders(orders="order,day,customer\nO1,2026-03-01,\n"))
    assert data_of(outcomes.drafts[0]) == {"id": "O1"}


def test_contacts_get_their_ids_from_the_row() -> None:
    contacts = "contacts: {id: owner, fields: {name: amount, phone: text:1}}"
    mapping = with_fields(contacts).replace("entity: deal", "entity: customer")
    assert data_of(read(mapping, deals(ROW)).draft) == {"id": "D1", "contacts": {"m": {"name": "5", "phone": "1"}}}
    assert data_of(read(mapping, deals("D1,2026-03-01,5,")).draft) == {"id": "D1"}
    assert read(mapping, deals("D1,2026-03-01,5,a@b.c")).rejection.column == "owner"
    assert read(mapping, deals(f"D1,2026-03-01,{'n' * 10_001},m")).rejection.column == "amount"


def test_lines_of_a_refused_order_are_no_orphans() -> None:
    outcomes = read(ORDERS, orders(orders=ONE_ORDER.replace("2026-03-01", "soon")))
    assert [(one.file, one.row) for one in outcomes.rejections] == [("orders.csv", 2)]


def test_joins_that_find_nothing_or_too_much() -> None:
    outcomes = read(ORDERS, orders(customers="number,rep\n1,m\n1,n\n1,m\n", orders=ONE_ORDER + "O3,2026-03-03,1\n"))
    assert data_of(outcomes.drafts[0])["owner_id"] == "m"  # type: ignore[index]
    assert {(one.rule, one.file, one.count) for one in outcomes.warnings} == {
        ("repeated-key", "customers.csv", 1),
        ("not-found", "orders.csv", 1),
    } | {("not-found", "orders.csv", 1)}
    texts = [one.text for one in outcomes.warnings if one.rule == "not-found"]
    assert texts == [
        "customer: no row of customers.csv has this key, so what was to be looked up is left unsaid",
        "no row of lines.csv belongs to it",
    ]


def test_a_file_that_is_missing_takes_with_it_what_needs_it() -> None:
    files = orders()
    del files["lines.csv"]
    outcomes = read(ORDERS, files)
    assert outcomes.drafts == []
    assert [(one.file, one.reason) for one in outcomes.rejections] == [
        ("lines.csv", "is missing"),
        ("orders.csv", "was left out: it needs lines.csv"),
    ]
    broken = read(ORDERS, orders(customers="number\n1\n"))
    assert [(one.file, one.column) for one in broken.rejections] == [("customers.csv", "rep"), ("orders.csv", None)]
    optional = ORDERS.replace("columns: [number, rep]", "columns: [number, rep]\n    required: false")
    files = orders()
    del files["customers.csv"]
    assert len(read(optional, files).drafts) == 2


def test_memory_is_bounded() -> None:
    outcomes = read(ORDERS, orders(), limits=Limits(joined_rows=4))
    assert [(one.file, one.reason) for one in outcomes.rejections] == [
        ("lines.csv", "makes more than 4 rows to keep in memory"),
        ("orders.csv", "was left out: it needs lines.csv"),
    ]


def test_an_event_that_says_too_much() -> None:
    lines = "order,line,count,price\n" + "".join(f"O1,{number:0200d},1,1\n" for number in range(1200))
    outcomes = read(ORDERS, orders(lines=lines, orders="order,day,customer\nO1,2026-03-01,1\n"))
    assert outcomes.rejection.reason == "says more than 262,144 bytes"


def test_corrections_in_details_are_counted_at_their_own_rows() -> None:
    mapping = ORDERS.replace("{quantity: count", "{product_id: 'price | correct:p', quantity: count").replace(
        "lookups:", "corrections: {p: {'1.10': one}}\nlookups:"
    )
    warning = read(mapping, orders()).warning("corrected-value")
    assert (warning.file, warning.examples) == ("lines.csv", (2,))


@pytest.mark.parametrize(
    "wrong",
    [
        {"as_of": datetime(2026, 3, 31)},  # noqa: DTZ001 - that is what is wrong with it
        {"as_of": datetime(1969, 12, 31, tzinfo=UTC)},
        {"shift": timedelta(days=8)},
        {"shift": timedelta(weeks=10_000)},
        {"shift": timedelta(weeks=500_000)},
    ],
)
def test_requests_that_cannot_be(wrong: dict[str, object]) -> None:
    fine: dict[str, object] = {"mapping": read_mapping(DEALS.encode()), "files": {}, "as_of": AS_OF, "zone": UTC_ZONE}
    with pytest.raises(InvalidInputError):
        ImportRequest(**(fine | wrong))  # type: ignore[arg-type]


def test_a_date_may_leave_the_calendar() -> None:
    outcomes = read(DEALS, deals("D1,9999-12-31,5,m"), weeks=1)
    assert (outcomes.rejection.column, outcomes.rejection.reason) == ("opened", "is moved out of the calendar")
    dated = with_fields("created_on: opened | date").replace("occurred_at: opened | date", "occurred_at: $as_of")
    assert read(dated, deals("D1,9999-12-31,5,m"), weeks=1).rejection.column == "opened"
    assert "created_on must lie in the years" in read(dated, deals("D1,2201-01-01,5,m")).rejection.reason
