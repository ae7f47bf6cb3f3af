"""Where events come from: one folder a source. A folder with an `adapter.py` is registered; nothing else is edited."""

import importlib
import importlib.util
import pkgutil
from collections.abc import Iterator, Mapping
from functools import cache
from types import ModuleType

from services.ingest.sources.adapter import Account, Adapter
from services.ingest.sources.api import NOTHING, Reach
from services.ingest.sources.calling import Calling
from services.ingest.sources.story import Simulator


class _Adapters(Mapping[str, Adapter]):
    """By name; the folder of `standard-webhooks` is `standard_webhooks`. An adapter is loaded when it is first used."""

    def __getitem__(self, name: str) -> Adapter:
        if name not in _names():
            raise KeyError(name)
        found: Adapter = _module(name, "adapter").ADAPTER
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(_names())

    def __len__(self) -> int:
        return len(_names())


ADAPTERS: Mapping[str, Adapter] = _Adapters()


def reach(adapter: Adapter, account: Account, calling: Calling) -> Reach:
    """What of this account can be reached through the source's API."""
    if not _has(adapter.name, "api"):
        return NOTHING
    found: Reach = _module(adapter.name, "api").connect(account, calling)
    return found


def simulator(adapter: Adapter) -> Simulator | None:
    """Who can tell a made-up story in the words of this source."""
    return _module(adapter.name, "simulator").SIMULATOR if _has(adapter.name, "simulator") else None


def parts_of(adapter: Adapter) -> frozenset[str]:
    """Which of `api` and `simulator` its folder has."""
    return frozenset(part for part in ("api", "simulator") if _has(adapter.name, part))


@cache
def _names() -> tuple[str, ...]:
    folders = (found.name.replace("_", "-") for found in pkgutil.iter_modules(__path__) if found.ispkg)
    return tuple(sorted(name for name in folders if _has(name, "adapter")))


def _has(name: str, part: str) -> bool:
    return importlib.util.find_spec(_package(name, part)) is not None


def _module(name: str, part: str) -> ModuleType:
    return importlib.import_module(_package(name, part))


def _package(name: str, part: str) -> str:
    return f"{__name__}.{name.replace('-', '_')}.{part}"
