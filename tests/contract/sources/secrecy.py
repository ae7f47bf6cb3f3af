"""Nothing secret in a `repr`, an error or what an adapter says. Canaries are planted and looked for."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import msgspec
from msgspec import inspect

from services.ingest.sources.adapter import Account, SourceSettings
from shared.kernel.errors import QuintantError
from tests.contract.sources.cases import Example, Source

CANARY = "canary-5d41402abc4b2a76"
_SHORTEST = 8


def check_secrecy(source: Source) -> None:
    """Secrets and Secret settings appear nowhere but where they are used."""
    for file, example in source.examples():
        account = example.account_of(source, file)
        planted = _planted(source, file, example)
        for one in (account, planted):
            hidden = [*example.account.secrets, *_secret_values(one.settings), CANARY]
            for shown in _shown(source, example, one):
                for secret in hidden:
                    found = len(secret) >= _SHORTEST and secret in shown
                    assert not found, source.at(file, f"a secret is shown: {shown[:300]}")


def _planted(source: Source, file: str, example: Example) -> Account:
    """Every Secret setting holds the canary, and the account's secret is one."""
    plain = replace(example.account_of(source, file), secrets=(CANARY,))
    fields = secret_fields(source.adapter.settings)
    try:
        settings = msgspec.convert({**example.account.settings, **dict.fromkeys(fields, CANARY)}, type(plain.settings))
    except msgspec.ValidationError:
        return plain  # a secret of a closed form
    return replace(plain, settings=settings)


def _shown(source: Source, example: Example, account: Account) -> Iterator[str]:
    yield repr(account)
    yield f"{account.settings!r} {account.settings}"
    if example.delivery is None:
        return
    yield repr(source.adapter.verify(example.delivery, account))
    yield repr(source.adapter.reply(example.delivery, account).__class__)
    for body in (example.delivery.body, example.delivery.body[:-1], b"", b"{}", b"[]", b"[{}]"):
        try:
            yield repr(source.adapter.adapt(replace(example.delivery, body=body), account))
        except QuintantError as error:
            yield f"{error} {error.detail} {error.faults}"


def secret_fields(settings: type[SourceSettings]) -> list[str]:
    """The names of the settings that are Secret, also as `Secret | None`."""
    return [field.encode_name for field in msgspec.structs.fields(settings) if _is_secret(field.type)]


def _is_secret(annotation: Any) -> bool:
    return _marked(inspect.type_info(annotation))


def _marked(kind: inspect.Type) -> bool:
    if isinstance(kind, inspect.Metadata):
        return bool((kind.extra or {}).get("secret")) or _marked(kind.type)
    return isinstance(kind, inspect.UnionType) and any(map(_marked, kind.types))


def _secret_values(settings: SourceSettings) -> list[str]:
    values = (getattr(settings, name) for name in secret_fields(type(settings)))
    return [value for value in values if isinstance(value, str)]
