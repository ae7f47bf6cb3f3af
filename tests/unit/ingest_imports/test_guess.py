"""What files mean, guessed from headers and values; what they do not tell is asked."""

import csv
from datetime import UTC, date, datetime
from decimal import Decimal
from io import BytesIO, StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.imports import Proposal, propose, read_mapping
from services.ingest.imports.cell_values import DECIMAL_STYLES, instant_reader, read_day
from services.ingest.imports.formats.uploads import Upload
from services.ingest.imports.guess.dates import DAY_FIRST, MONTH_FIRST, date_style
from services.ingest.imports.guess.headings import Sureness, read_heading
from services.ingest.imports.guess.numbers import number_style
from services.ingest.imports.guess.samples import encoding
from services.ingest.imports.guess.vocabulary import vocabulary
from services.ingest.imports.mapping_events import kinds_of
from services.ingest.imports.values import Kind
from shared.contracts.entities import ENTITIES
from shared.kernel.errors import InvalidInputError
from tests.unit.ingest_imports.reading import Outcomes, data_of, read
from tests.unit.ingest_imports.workbooks import workbook

WORDS = vocabulary()
AS_OF = datetime(2026, 11, 1, tzinfo=UTC)


def guess(files: dict[str, str | bytes], **answers: str) -> Proposal:
    streams = {name: BytesIO(text.encode() if isinstance(text, str) else text) for name, text in files.items()}
    return propose(streams, answers={name.replace("__", ":").replace("_", "-"): one for name, one in answers.items()})


def run(files: dict[str, str | bytes], **answers: str) -> Outcomes:
    proposal = guess(files, **answers)
    assert proposal.mapping, proposal.questions
    return read(proposal.mapping, files, as_of=AS_OF)


def meanings(proposal: Proposal) -> dict[str, str | None]:
    return {column.column: column.meaning for column in proposal.columns}


def drafts(outcomes: Outcomes, part: str) -> dict[str, object]:
    return {one.subject: data_of(one) for one in outcomes.drafts if one.id.startswith(f"{part}:")}


# Headers.


@given(st.sampled_from(sorted(WORDS.meanings)), st.sampled_from([str.upper, str.title, lambda text: f" {text} *"]))
def test_case_blanks_and_signs_do_not_matter(word: str, change: object) -> None:
    written = change(word)  # type: ignore[operator]
    found = read_heading(f"{written}（必填）", WORDS)
    assert set(found.meanings) == set(WORDS.meanings[word])
    assert set(found.meanings.values()) == {Sureness.CERTAIN}


@pytest.mark.parametrize(
    ("header", "currency", "multiple"),
    [
        ("金额(元)", "CNY", None),
        ("金额（万元）", "CNY", "10000"),
        ("Amount (USD)", "USD", None),
        ("Amount [€]", "EUR", None),
        ("Amount (k)", None, "1000"),
        ("金额（亿）", None, "100000000"),
        ("Amount", None, None),
        ("Amount (net)", None, None),
    ],
)
def test_units_in_brackets(header: str, currency: str | None, multiple: str | None) -> None:
    found = read_heading(header, WORDS)
    assert (found.currency, found.multiple) == (currency, multiple)
    assert found.sureness("amount") == Sureness.CERTAIN


def test_less_sure_headers() -> None:
    assert read_heading("properties.dealname", WORDS).meanings == {"deal_title": Sureness.LIKELY}
    assert read_heading("本项目负责人", WORDS).meanings == {"owner": Sureness.DOUBTFUL}
    assert read_heading("Our deal amount", WORDS).sureness("deal_amount") == Sureness.DOUBTFUL
    assert read_heading("Weather", WORDS).meanings == {}


def test_every_field_of_the_vocabulary_exists() -> None:
    for kind in WORDS.kinds.values():
        shapes = ENTITIES[kind.entity].shape.fields
        assert set(kind.fields) <= set(shapes)
        line = shapes["lines"].entry if kind.line_fields else None
        assert set(kind.line_fields) <= set(line.fields if line else ())
        for name in kind.fixed:
            assert Kind.TEXT in kinds_of(shapes[name])


# Values.


LAYOUTS = ["YYYY-MM-DD", "DD.MM.YYYY", "DD/MM/YYYY", "MM/DD/YYYY", "YYYY/M/D", "YYYY年M月D日", "D-M-YYYY", "YYYYMMDD"]


def written(day: date, layout: str) -> str:
    parts = {"YYYY": f"{day.year:04}", "MM": f"{day.month:02}", "DD": f"{day.day:02}"}
    for part, text in parts.items():
        layout = layout.replace(part, text)
    return layout.replace("M", str(day.month)).replace("D", str(day.day))


@given(st.lists(st.dates(date(1990, 1, 1), date(2099, 12, 31)), min_size=1, max_size=8), st.sampled_from(LAYOUTS))
def test_dates_are_read_as_they_were_meant_or_asked(days: list[date], layout: str) -> None:
    values = [written(day, layout) for day in days]
    style = date_style(values)
    assert style is not None
    if style.is_ambiguous:
        style = style.as_order(DAY_FIRST if layout.startswith("D") else MONTH_FIRST)
    if len(days) > 2 and any(_read(style.layout, value) != day for value, day in zip(values, days, strict=True)):
        pytest.fail(f"{values} were read by {style}")
    if len(days) <= 2:
        assert [_read(style.layout, value) for value in values] == days


def _read(layout: str | None, value: str) -> date:
    return instant_reader(layout)(value).date() if layout else read_day(value)


@pytest.mark.parametrize(
    ("values", "filters"),
    [
        (["2026-03-31"], "date"),
        (["2026-03-31", "2026-03-31 09:00:00"], "instant"),
        (["2026-03-31T09:00:00Z"], "instant"),
        (["2026/3/1 9:05", "2026/12/31 18:30"], "instant:YYYY/M/D h:mm"),
        (["3/14/2026 9:05 AM"], "instant:M/D/YYYY h:mm AM"),
        (["31.03.2026 18:30:00"], "instant:D.M.YYYY hh:mm:ss"),
        (["2026年3月31日"], "date:YYYY年M月D日"),
    ],
)
def test_layouts(values: list[str], filters: str) -> None:
    style = date_style(values)
    assert style is not None
    assert style.filters.replace("DD.MM", "D.M") == filters


@pytest.mark.parametrize("values", [["soon"], ["31/13/2026"], ["12"], ["03/04/26"], ["1.5", "2.5"], []])
def test_no_dates(values: list[str]) -> None:
    assert date_style(values) is None


@given(
    st.lists(st.decimals(0, 10**9, places=2), min_size=1, max_size=6),
    st.sampled_from(["plain", "point", "comma"]),
    st.sampled_from(["", "¥", "$", "€", "元", " USD"]),
)
def test_numbers_are_read_as_they_were_meant_or_asked(numbers: list[Decimal], style: str, sign: str) -> None:
    texts = [format(number, ".2f") if style == "plain" else f"{number:,.2f}" for number in numbers]
    if style == "comma":
        texts = [text.translate(str.maketrans(",.", ".,")) for text in texts]
    found = number_style([f"{text}{sign}" for text in texts], WORDS, has_semicolons=style == "comma")
    assert found is not None
    assert (found.currency is not None) == bool(sign)
    if not found.is_ambiguous:
        assert [DECIMAL_STYLES[found.style](text) for text in texts] == numbers


def test_where_points_may_part_thousands_it_is_asked() -> None:
    file = "Deal ID;Stage;Amount (EUR)\nA;Won;1.234\nB;Won;2.000\n"
    [question] = guess({"d.csv": file}).questions
    assert (question.id, question.choices) == ("decimal-sign", ("point", "comma"))
    amounts = {
        sign: drafts(run({"d.csv": file}, decimal_sign=sign), "deal-closed")["A"]["amount"]["amount"]  # type: ignore[index]
        for sign in question.choices
    }
    assert amounts == {"point": "1.234", "comma": "1234"}


@pytest.mark.parametrize("name", ["utf-8", "utf-8-sig", "utf-16", "gb18030", "cp1252"])
def test_encodings(name: str) -> None:
    text = "Müller,Größe,café\nñandú,Übung,œuvre\n" if name == "cp1252" else "商机编号,金额\n一,二\n张三,李四\n"
    found = encoding(Upload("x.csv", BytesIO(text.encode(name))))
    assert found == name.replace("-sig", "")


# Files.


DEALS = """商机编号,商机名称,客户名称,销售阶段,预计金额（万元）,负责人,实际成交日期,创建日期,赢率
O-1,华东项目,甲公司,赢单,"1,200.5",张三,2026/3/1,2026/1/5,100%
O-2,西南项目,乙公司,需求分析,30,李四,,2026/2/15,30%
O-3,华北项目,丙公司,输单,40,李四,,2026/2/16,0%
"""


def test_deals_in_chinese_in_another_encoding() -> None:
    outcomes = run({"商机2026-03.csv": DEALS.encode("gb18030")})
    assert outcomes.rejections == []
    closed = drafts(outcomes, "deal-closed")["O-1"]
    assert isinstance(closed, dict)
    assert (closed["stage"], closed["amount"], closed["probability"]) == (
        "赢单",
        {"amount": "12005000", "currency": "CNY"},
        "1",
    )
    assert closed["owner_id"].startswith("m-")
    moments = {one.id.partition("@")[0]: one.occurred_at.date() for one in outcomes.drafts}
    assert moments["deal-created:O-1"] == date(2026, 1, 5)
    assert moments["deal-closed:O-1"] == date(2026, 3, 1)
    assert moments["deal-closed-undated:O-3"] == moments["deal:O-2"] == AS_OF.date()
    [stage_map] = drafts(outcomes, "stage-map").values()
    assert isinstance(stage_map, dict)
    assert {label: one["stage"] for label, one in stage_map["stages"].items()} == {
        "赢单": "won",
        "需求分析": "needs-analysis",
        "输单": "lost",
    }
    assert {one["name"] for one in drafts(outcomes, "member-of-deals").values()} == {"张三", "李四"}  # type: ignore[index]


def test_the_mapping_is_one_that_a_person_can_keep() -> None:
    proposal = guess({"商机2026-03.csv": DEALS.encode("gb18030")})
    assert proposal.mapping is not None
    mapping = read_mapping(proposal.mapping.encode())
    assert mapping.files["deals"].pattern == "商机*"
    assert mapping.files["deals"].encoding == "gb18030"
    later = read(proposal.mapping, {"商机2026-04.csv": DEALS.encode("gb18030")}, as_of=AS_OF)
    assert later.rejections == []


def test_a_day_that_may_be_a_month_is_asked_unless_another_column_tells() -> None:
    file = "Deal ID,Stage,Amount (USD),Created Date\nA,Won,5,03/04/2026\n"
    [question] = guess({"deals.csv": file}).questions
    assert (question.id, question.choices) == ("date-order", (DAY_FIRST, MONTH_FIRST))
    for order, day in ((DAY_FIRST, date(2026, 4, 3)), (MONTH_FIRST, date(2026, 3, 4))):
        created = run({"deals.csv": file}, date_order=order).drafts[1]
        assert created.occurred_at.date() == day
    told = file.replace("Created Date\n", "Created Date,Closed Date\n").replace("2026\n", "2026,25/04/2026\n")
    assert run({"deals.csv": told}).drafts[1].occurred_at.date() == date(2026, 4, 3)


def test_what_cannot_be_known_is_asked() -> None:
    file = "Opportunity Name,Stage,Amount\nA,Closed Won,5\nB,Weird,6\nB,Weird,7\n"
    [question] = guess({"deals.csv": file}).questions
    assert question.id == "id:deals.csv"
    assert "Amount" in question.choices
    more = guess({"deals.csv": "Deal ID,Stage,Amount\nA,Closed Won,5\nB,Weird,6\n"})
    assert {one.id for one in more.questions} == {"stage:Weird", "currency"}
    unknown = guess({"things.csv": "foo,bar\n1,2\n"})
    assert [one.id for one in unknown.questions] == ["entity:things.csv"]
    with pytest.raises(InvalidInputError):
        guess({"deals.csv": DEALS}, weather="fine")


def test_order_lines() -> None:
    file = (
        "订单号,客户名称,订单日期,产品名称,数量,单价,未税金额,币种,业务员\n"
        "S1,甲,2026-03-01,灯,2,10,20,人民币,张三\nS1,甲,2026-03-01,椅,1,5,5,人民币,张三\nS2,乙,2026-03-04,灯,1,10,10,人民币,李四\n"
    )
    orders = drafts(run({"订单明细.csv": file}), "order")
    assert isinstance(first := orders["S1"], dict)
    assert (first["status"], first["ordered_on"], set(first["lines"])) == ("confirmed", "2026-03-01", {"灯", "椅"})
    assert first["lines"]["灯"] == {
        "product_id": "灯",
        "quantity": "2",
        "unit_price": {"amount": "10", "currency": "CNY"},
        "net": {"amount": "20", "currency": "CNY"},
    }
    total = drafts(run({"orders.csv": "Order No,Order Date,Order Total (EUR)\n1,2026-03-01,5\n"}), "order")
    assert total["1"]["lines"] == {"1": {"net": {"amount": "5", "currency": "EUR"}}}  # type: ignore[index]


def test_a_bad_line_leaves_the_whole_order_out_and_names_its_rows() -> None:
    file = (
        "订单号,订单日期,产品名称,数量\nS1,2026-03-01,灯,2\nS1,2026-03-01,椅,许多\n"
        "S2,2026-03-01,灯,1\nS3,2026-03-01,灯,1\n"
    )
    outcomes = run({"订单.csv": file})
    assert set(drafts(outcomes, "order")) == {"S2", "S3"}
    assert {(one.row, place.row) for one in outcomes.rejections for place in one.with_it} == {(3, 2)}


def test_payments_find_the_numbers_of_their_customers() -> None:
    files: dict[str, str | bytes] = {
        "回款.csv": '回款编号,客户名称,回款金额(元),回款日期,收款方式\nP1,甲,"¥1,000",2026年3月5日,电汇\n',
        "customers.csv": "客户编号,客户名称,行业,联系人,邮箱,电话,账期\nC1,甲,制造,王五,w@x.cn,139,30\n",
    }
    outcomes = run(files)
    payment = drafts(outcomes, "payment")["P1"]
    assert payment == {
        "id": "P1",
        "customer_id": "C1",
        "kind": "receipt",
        "amount": {"amount": "1000", "currency": "CNY"},
        "instrument": "transfer",
        "received_on": "2026-03-05",
    }
    customer = drafts(outcomes, "customer")["C1"]
    assert isinstance(customer, dict)
    [(contact, person)] = customer["contacts"].items()
    assert (contact.startswith("c-"), person["name"], customer["credit_days"]) == (True, "王五", 30)


@pytest.mark.parametrize(
    ("name", "content", "part", "fields"),
    [
        ("发票.csv", "发票号码,开票日期,价税合计(元),税额(元),到期日\nI1,2026-03-01,113,13,2026-04-01\n", "invoice",
         {"gross": {"amount": "113", "currency": "CNY"}, "tax": {"amount": "13", "currency": "CNY"},
          "issued_on": "2026-03-01", "due_on": "2026-04-01"}),
        ("leads.csv", "Lead ID,Name,Email,Lead Status,Created Date\nL1,Jo,j@x.com,Working,3/14/2026 9:05 AM\n", "lead",
         {"contact_name": "Jo", "contact_email": "j@x.com", "status": "open", "created_on": "2026-03-14"}),
        ("acts.csv", "Activity ID,Activity Type,Activity Date,Subject\nA1,Sing,2026-03-01,hi\n", "activity",
         {"kind": "other", "subject_text": "hi"}),
        ("员工.csv", "姓名,部门,职位,在职\n张三,华东,销售,是\n李四,华东,经理,否\n", "member",
         {"name": "李四", "unit_id": "华东", "role": "经理", "active": False}),
        ("p.csv", "产品编号,产品名称,类别,标准价格(USD)\nA,灯,照明,$10\n", "product",
         {"name": "灯", "category": "照明", "price": {"amount": "10", "currency": "USD"}}),
    ],
)  # fmt: skip
def test_other_entities(name: str, content: str, part: str, fields: dict[str, object]) -> None:
    found = list(drafts(run({name: content}), part).values())[-1]
    assert isinstance(found, dict)
    assert {key: value for key, value in found.items() if key != "id"} == fields


def test_excel_and_json_lines_are_guessed_alike() -> None:
    book = workbook([["Deal ID", "Stage", "Amount (USD)"], ["A", "Won", 5], ["B", "Lost", 6]])
    lines = "".join(
        f'{{"Deal ID": "{key}", "Stage": "{stage}", "Amount (USD)": {amount}}}\n'
        for key, stage, amount in (("A", "Won", 5), ("B", "Lost", 6))
    )
    files: list[dict[str, str | bytes]] = [
        {"d.csv": "Deal ID,Stage,Amount (USD)\nA,Won,5\nB,Lost,6\n"},
        {"d.xlsx": book},
        {"d.jsonl": lines},
    ]
    found = [[(one.id, data_of(one)) for one in run(one).drafts] for one in files]
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(
    ("column", "values", "note"),
    [
        ("Credit Days", ["30", "soon"], "must hold whole numbers"),
        ("Credit Limit (EUR)", ["a lot", "5"], "holds no numbers that can be read"),
        ("Industry", ["", ""], "is blank everywhere"),
    ],
)
def test_values_that_do_not_fit_their_header(column: str, values: list[str], note: str) -> None:
    file = f"Customer No,{column}\n" + "".join(f"C{at},{value}\n" for at, value in enumerate(values))
    [found] = [one for one in guess({"customers.csv": file}).columns if one.column == column]
    assert found.meaning is None
    assert note in (found.note or "")


def test_currencies() -> None:
    head = "Deal ID,Stage,Amount,Currency\n"
    each = drafts(run({"deals.csv": head + "A,Won,5,EUR\nB,Won,6,USD\n"}), "deal-closed")
    assert [one["amount"]["currency"] for one in each.values()] == ["EUR", "USD"]  # type: ignore[index]
    named = drafts(run({"deals.csv": head + "A,Won,5,人民币\nB,Won,6,人民币\n"}), "deal-closed")
    assert named["B"]["amount"]["currency"] == "CNY"  # type: ignore[index]
    mixed = guess({"deals.csv": head + "A,Won,5,人民币\nB,Won,6,美元\n"})
    assert [one.id for one in mixed.questions] == ["currency"]
    wrong = guess({"deals.csv": "Deal ID,Stage,Amount\nA,Won,5\n"}, currency="gold")
    assert "gold is no ISO 4217 code" in wrong.questions[0].text


def test_percent_and_shares() -> None:
    head = "Deal ID,Stage,Probability\n"
    for written, share in (("30%", "0.3"), ("30", "0.3"), ("0.3", "0.3")):
        [deal] = drafts(run({"deals.csv": f"{head}A,Proposal,{written}\n"}), "deal").values()
        assert deal["probability"] in (share, f"{share}0")  # type: ignore[index]


def test_labels_that_decide_whether_something_counts_are_asked_and_others_left_out() -> None:
    orders = "Order No,Order Date,Order Status,Order Total (EUR)\n1,2026-03-01,Sleeping,5\n"
    [question] = guess({"orders.csv": orders}).questions
    assert (question.id, "cancelled" in question.choices) == ("order.status:Sleeping", True)
    order = drafts(run({"orders.csv": orders}, **{"order.status__Sleeping": "cancelled"}), "order")["1"]
    assert order["status"] == "cancelled"  # type: ignore[index]
    [status] = [
        one
        for one in guess({"leads.csv": "Lead ID,Lead Status,Created Date\nL1,Dreaming,2026-03-01\n"}).columns
        if one.column == "Lead Status"
    ]
    assert status.note == "holds values that are not known: Dreaming"


def test_deals_without_a_stage_and_with_an_outcome_only() -> None:
    plain = guess({"deals.csv": "Deal ID,Deal Name,Deal Amount (EUR)\nA,x,5\n"})
    assert any("No column says the stage" in note for note in plain.notes)
    outcomes = run({"deals.csv": "Deal ID,Deal Status,Deal Amount (EUR)\nA,Won,5\nB,Lost,6\n"})
    assert set(drafts(outcomes, "deal-closed")) == {"A", "B"}


def test_columns_that_cannot_be_used_say_why() -> None:
    proposal = guess(
        {"p.csv": "Product No,Product Name,Cost (EUR),Cost (EUR),,Price [x]\nA,Lamp,1,2,3,4\nB,Sofa,x,y,z,4\n"}
    )
    notes = {column.column: column.note for column in proposal.columns if column.meaning is None}
    assert notes == {
        "Cost (EUR)": "stands in the header twice",
        "": "has no name",
        "Price [x]": "its name cannot be written in a mapping",
    }
    assert meanings(proposal)["Product Name"] == "product.name"


def test_files_of_one_build_are_read_alike() -> None:
    january = "Deal ID,Stage,Amount (USD)\nA,Won,5\n"
    outcomes = run({"deals-01.csv": january, "deals-02.csv": january.replace("A,", "B,")})
    assert set(drafts(outcomes, "deal-closed")) == {"A", "B"}
    other = run({"deals-01.csv": january, "deals-x.csv": "Deal ID,Stage,Title\nC,Won,x\n"})
    assert {one.subject for one in other.drafts if one.entity == "deal"} == {"A", "C"}


KNOWN = ["Deal ID", "Deal Name", "Stage", "Amount", "Amount (EUR)", "Created Date", "Close Date", "Owner", "Customer"]
KNOWN += [
    "客户编号",
    "订单号",
    "产品名称",
    "数量",
    "单价",
    "币种",
    "回款金额",
    "回款日期",
    "收款方式",
    "状态",
    "姓名",
    "部门",
    "在职",
]
NAMES = st.one_of(st.sampled_from(KNOWN), st.text("aA$'|:,[] \n\"#&*!%@`{}", max_size=8))
VALUES = st.one_of(
    st.sampled_from(
        ["", "Won", "won't", "a|b", "'", "1,5", "1.234", "$5", "03/04/2026", "2026-03-01", "是", "EUR", "true", "~"]
    ),
    st.text("ab'|:,[]$#\u00e9\u6f22 ", max_size=6),
)


@given(st.data(), st.lists(NAMES, min_size=1, max_size=8), st.sampled_from(sorted(WORDS.kinds)))
def test_whatever_stands_in_a_file_the_guess_is_a_mapping_or_a_question(
    data: st.DataObject, header: list[str], kind: str
) -> None:
    rows = data.draw(st.lists(st.lists(VALUES, min_size=len(header), max_size=len(header)), max_size=5))
    text = StringIO()
    csv.writer(text).writerows([header, *rows])
    files: dict[str, str | bytes] = {"x.csv": text.getvalue()}
    answers = {"entity:x.csv": kind}
    try:
        for _round in range(40):
            proposal = propose({"x.csv": BytesIO(text.getvalue().encode())}, answers=answers)
            if proposal.mapping:
                read(proposal.mapping, files, as_of=AS_OF)
                return
            assert proposal.questions
            answers |= {one.id: next(iter(one.choices), "EUR") for one in proposal.questions}
            if any(one.id.startswith("id:") and not one.choices for one in proposal.questions):
                return  # no column tells the rows apart
    except InvalidInputError:
        return  # no table at all
    pytest.fail("it asks without end")


def test_files_that_cannot_be_read_are_refused() -> None:
    with pytest.raises(InvalidInputError) as error:
        guess({"a.csv": "", "b.xlsx": b"PK\x03\x04"})
    assert [fault.where for fault in error.value.faults] == ["a.csv", "b.xlsx"]
