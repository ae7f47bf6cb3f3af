"""The architecture holds, and each of its contracts bites: an import planted into the real graph breaks it."""

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import grimp
import pytest
from importlinter.application.sentinels import NotSupplied
from importlinter.application.use_cases import _register_contract_types, read_user_options
from importlinter.application.user_options import UserOptions
from importlinter.configuration import configure
from importlinter.domain.contract import Contract, registry

PROJECT = Path(__file__).parents[2]

PLANTED = {
    "services-apart": ("services.metrics.store", "services.pipeline.store"),
    "shared-below": ("shared.http.app", "services.ingest.inbox"),
    "quintant-outside": ("quintant.cli", "shared.kernel.money"),
    "shared-layers": ("shared.kernel.journal", "shared.storage.database"),
    "service-layers": ("services.pipeline.store", "services.pipeline.api.routes"),
    "settings-at-the-root": ("services.metrics.queries.sums", "services.metrics.settings"),
    "pure-domain": ("services.forecast.domain.winning", "sqlalchemy"),
    "kafka-in-one-place": ("services.ingest.relay", "aiokafka"),
    "http-client-in-one-place": ("services.metrics.webhooks", "httpx"),
    "pure-adapters": ("services.ingest.sources.hubspot.adapter", "services.ingest.sources.calling"),
}


@pytest.fixture(scope="module")
def options() -> UserOptions:
    configure()
    read: UserOptions = read_user_options(config_filename=str(PROJECT / ".importlinter"))
    _register_contract_types(read)
    return read


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("services", "shared", "quintant", include_external_packages=True, cache_dir=None)


def contracts(options: UserOptions) -> Iterator[tuple[str, Contract]]:
    for said in options.contracts_options:
        given: dict[str, Any] = {key: value for key, value in said.items() if value is not NotSupplied}
        kind = registry.get_contract_class(given["type"])
        yield given["id"], kind(name=given["name"], session_options=options.session_options, contract_options=given)


def test_every_contract_has_a_planted_violation(options: UserOptions) -> None:
    assert {name for name, _ in contracts(options)} == set(PLANTED)


def test_the_tree_keeps_every_contract(options: UserOptions, graph: grimp.ImportGraph) -> None:
    kept = {name: contract.check(deepcopy(graph), verbose=False).kept for name, contract in contracts(options)}
    assert kept == dict.fromkeys(kept, True)


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_import_breaks_the_contract(options: UserOptions, graph: grimp.ImportGraph, name: str) -> None:
    importer, imported = PLANTED[name]
    planted = deepcopy(graph)
    assert {importer, imported} <= planted.modules
    planted.add_import(importer=importer, imported=imported, line_number=1, line_contents="planted")
    broken = [other for other, contract in contracts(options) if not contract.check(planted, verbose=False).kept]
    assert name in broken
