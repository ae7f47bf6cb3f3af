"""The demo company: two public data sets, loaded through the import that everybody uses, moved to end this week."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from rich.table import Table

from quintant import calendar, screen
from quintant.client import Client
from quintant.stack.home import Demo, Home, State
from quintant.stack.report import Report
from quintant.stack.services import urls

_DATA = Path(__file__).parent / "demo_data"
_COMPLETE_SECONDS = 120


@dataclass(frozen=True, slots=True)
class DataSet:
    """One business line. `preset` names its mapping and its folder; `last_day` is when its story ends as published."""

    preset: str
    title: str
    last_day: date
    left_out: frozenset[str] = frozenset()

    def files(self) -> list[Path]:
        return sorted(path for path in (_DATA / self.preset).glob("*.csv") if path.name not in self.left_out)

    def shift_weeks(self, today: date) -> int:
        """Whole weeks, so that weekdays stay; the story then ends within the last seven days."""
        return (today - self.last_day).days // 7


DATA_SETS = (
    DataSet("maven-crm", "deals of a hardware seller", date(2017, 12, 31), frozenset({"data_dictionary.csv"})),
    DataSet("classicmodels", "orders and payments of a wholesaler", date(2005, 6, 9), frozenset({"ProductLines.csv"})),
)
# Slugs of the catalogue, in the order of the closing screen.
HEADLINES = (
    "open-pipeline-value",
    "win-rate-closed",
    "deals-won-value",
    "revenue",
    "volume",
    "gross-profit",
    "collections",
    "receivables",
)


def ensure_and_read(home: Home, state: State, report: Report) -> Table:
    """Load the company unless it is in, wait until every event is counted, and read its numbers."""
    with Client(urls(state), home.own_key()) as client:
        if state.demo is None:
            state.demo = _load(client, report)
            home.save(state)
            with report.step("counting"):
                for token in state.demo.tokens:
                    client.wait_until_applied(token, _COMPLETE_SECONDS)
        with report.step("reading the numbers"):
            return screen.company_table([client.kpi(slug, {}) for slug in HEADLINES])


def _load(client: Client, report: Report) -> Demo:
    today = calendar.today()
    tokens, shifts = [], {}
    for data_set in DATA_SETS:
        with report.step(f"importing {data_set.title}"):
            shifts[data_set.preset] = weeks = data_set.shift_weeks(today)
            answer = client.import_files(
                data_set.preset, data_set.files(), {"known": "occurred", "shift_weeks": str(weeks)}
            )
        if answer["token"]:
            tokens.append(str(answer["token"]))
        report.note(f"{data_set.title}: {screen.import_counts(answer)}")
    return Demo(tokens, shifts)
