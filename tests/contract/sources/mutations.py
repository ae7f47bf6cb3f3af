"""Every example request, changed: it is refused or, where its scheme does not sign that part, reads the same.

A scheme that does not sign the body or a time says so openly: vectors.json then has a valid vector with another body,
or with `now` null.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

import msgspec

from services.ingest import wire
from services.ingest.sources.adapter import Account, Delivery, Reading, Refusal
from shared.contracts.envelope import Event, Refused
from shared.contracts.strict_json import dumped, parse
from shared.kernel.errors import QuintantError
from tests.contract.sources.cases import Example, Source

_FLIPS = 48
_SHIFTS = [timedelta(seconds=seconds) for seconds in (-86_400, -302, 302, 86_400)]
_CREDENTIALS = ("authorization", "signature", "hmac", "token", "secret")


@dataclass(frozen=True, slots=True)
class Case:
    """One example request, and what it says unchanged."""

    source: Source
    file: str
    delivery: Delivery
    account: Account
    reading: Reading

    def refusal(self, delivery: Delivery, account: Account | None = None) -> Refusal | None:
        return self.source.adapter.verify(delivery, account or self.account)

    def accepts(self, delivery: Delivery, what: str) -> bool:
        """Whether it verifies; then under its secret alone."""
        if self.refusal(delivery) is not None:
            return False
        for secrets in ((), tuple(map(other_secret, self.account.secrets))):
            refusal = self.refusal(delivery, replace(self.account, secrets=secrets))
            assert refusal is not None, self.at(f"{what}: it verifies with any secret")
        return True

    def at(self, what: str) -> str:
        return self.source.at(self.file, what)

    def same(self, delivery: Delivery, what: str) -> None:
        """Adapting it now gives what it gave."""
        said = self.adapted(delivery, what)
        fine = said is not None and contents(said) == contents(self.reading) and said.unknown == self.reading.unknown
        assert fine, self.at(f"{what}: it verifies, but says something else: {said}")

    def adapted(self, delivery: Delivery, what: str) -> Reading | None:
        """None if it cannot be read, which is told in order."""
        try:
            return self.source.adapter.adapt(delivery, self.account)
        except QuintantError:
            return None
        except Exception as error:
            raise AssertionError(self.at(f"{what}: adapt raises {error!r}")) from error


def contents(reading: Reading) -> list[object]:
    """What was said, without the ids that it was given, and what is to be read."""
    return [*map(_content, reading.events), *sorted((read.kind, read.id) for read in reading.reads)]


def _content(event: Event | Refused) -> object:
    if isinstance(event, Refused):
        return event.source, event.id, event.error.slug
    try:
        return wire.candidate_of(event).content
    except QuintantError as error:
        return error.slug, event.type, event.subject, event.time


def check_mutations(source: Source) -> None:
    """All mutations of all example requests."""
    for file, example in source.examples():
        if example.request is None:
            continue
        case = _case(source, file, example)
        if case is not None:
            _check_secrets(case)
            signs_body = _check_bytes(case)
            _check_spelling(case, signs_body=signs_body)
            _check_time(case)
            _check_headers(case, signs_body=signs_body)
            _check_replay(case)


def _case(source: Source, file: str, example: Example) -> Case | None:
    account = example.account_of(source, file)
    assert example.delivery
    try:
        return Case(source, file, example.delivery, account, source.adapter.adapt(example.delivery, account))
    except QuintantError:
        return None  # check_examples tells of it


def _check_secrets(case: Case) -> None:
    """Another secret, none, and both places of a rotation."""
    fitting = [
        secret
        for secret in case.account.secrets
        if case.refusal(case.delivery, replace(case.account, secrets=(secret,))) is None
    ]
    assert fitting, case.at("none of its secrets alone is enough")
    (first, *_) = fitting
    wrong = other_secret(first)
    for what, secrets, fine in (
        ("the wrong secret", (wrong,), False),
        ("no secret", (), False),
        ("a rotation, the old secret first", (wrong, first), True),
        ("a rotation, the new secret first", (first, wrong), True),
        ("two wrong secrets", (wrong, other_secret(wrong)), False),
    ):
        refusal = case.refusal(case.delivery, replace(case.account, secrets=secrets))
        assert (refusal is None) == fine, case.at(f"{what}: verify says {refusal!r}")
    if case.delivery.key:
        for key in ("", other_secret(case.delivery.key), case.delivery.key + "x"):
            refusal = case.refusal(replace(case.delivery, key=key))
            assert refusal is not None or not case.source.adapter.card.secret_in_url, case.at("another key is accepted")


def other_secret(secret: str) -> str:
    """One of the same shape, with the letter in its middle changed."""
    places = [place for place, char in enumerate(secret) if char.isascii() and char.isalnum()]
    place = places[len(places) // 2]
    char = secret[place]
    other = {"z": "a", "Z": "A", "9": "0"}.get(char) or chr(ord(char) + 1)
    return secret[:place] + other + secret[place + 1 :]


def _check_bytes(case: Case) -> bool:
    """Whether the scheme signs the body: then every byte of it."""
    accepted = [place for place, body in _flipped(case.delivery.body) if _accepts(case, body, f"byte {place} flipped")]
    if not accepted:
        return bool(case.delivery.body)
    assert _says_body_unsigned(case.source), case.at(
        f"a flipped byte is accepted (at {accepted[:5]}), and no valid vector with another body says that this is so"
    )
    return False


def _flipped(body: bytes) -> Iterator[tuple[int, bytes]]:
    step = max(1, len(body) // _FLIPS)
    for place in sorted({*range(0, len(body), step), len(body) - 1} if body else ()):
        yield place, body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]


def _accepts(case: Case, body: bytes, what: str) -> bool:
    changed = replace(case.delivery, body=body)
    if not case.accepts(changed, what):
        return False
    case.adapted(changed, what)
    return True


def _says_body_unsigned(source: Source) -> bool:
    good = [vector for vector in source.vectors() if vector.valid]
    return any(
        one.headers == other.headers and one.key == other.key and one.all_secrets == other.all_secrets
        for one in good
        for other in good
        if one.bytes != other.bytes
    )


def _check_spelling(case: Case, *, signs_body: bool) -> None:
    """The same JSON in other bytes."""
    for what, body in (("a trailing newline", case.delivery.body + b"\n"), ("re-encoded JSON", _re_encoded(case))):
        changed = replace(case.delivery, body=body)
        if body == case.delivery.body or not case.accepts(changed, what):
            continue
        spelled_freely = not signs_body or _says_body_unsigned(case.source)  # some sign the values in the JSON only
        assert spelled_freely, case.at(f"{what}: it is accepted, though the body is signed")
        if _is_json(case.delivery.body):
            case.same(changed, what)


def _re_encoded(case: Case) -> bytes:
    body = case.delivery.body
    if not _is_json(body):
        return body
    compact = dumped(parse(body))
    return msgspec.json.format(compact, indent=1) if compact == body else compact


def _is_json(body: bytes) -> bool:
    try:
        parse(body)
    except QuintantError:
        return False
    return True


def _check_time(case: Case) -> None:
    """Too late and too early, if a time is signed."""
    refusals = {case.refusal(replace(case.delivery, received_at=case.delivery.received_at + by)) for by in _SHIFTS}
    if None not in refusals:
        assert refusals == {Refusal.TIMESTAMP}, case.at(f"a stale delivery is refused as {refusals}")
        return
    assert refusals == {None}, case.at("of stale deliveries some are accepted")
    untimed = any(vector.valid and vector.now is None for vector in case.source.vectors())
    assert untimed, case.at("stale deliveries are accepted, and no valid vector with `now` null says that this is so")
    for by in _SHIFTS:
        case.same(replace(case.delivery, received_at=case.delivery.received_at + by), "at another time")


def _check_headers(case: Case, *, signs_body: bool) -> None:
    for name, value in case.delivery.headers.items():
        rest = {other: text for other, text in case.delivery.headers.items() if other != name}
        needed = _check_header(case, rest, f"without {name}", signs_body=signs_body)
        for what, changed in _changed(value).items():
            refused = _check_header(case, {**rest, name: changed}, f"{name} {what}", signs_body=signs_body)
            assert refused or not (needed and what == "doubled"), case.at(f"{name} doubled: it is accepted")


def _changed(value: str) -> Mapping[str, str]:
    return {
        "doubled": f"{value}, {value}",
        "in lower case": value.lower(),
        "in upper case": value.upper(),
        "with a blank": f"{value} ",
        "empty": "",
    }


def _check_header(case: Case, headers: Mapping[str, str], what: str, *, signs_body: bool) -> bool:
    """Whether it is refused. What is signed says the same whatever the unsigned headers say; where nothing is signed,
    a changed header is as good as another request."""
    changed = replace(case.delivery, headers=headers)
    if not case.accepts(changed, what):
        return True
    if signs_body:
        case.same(changed, what)
    else:
        case.adapted(changed, what)
    return False


def _check_replay(case: Case) -> None:
    """The raw vault keeps the body, the content type and `card.kept_headers`: they say the same, with the same ids."""
    kept = {"content-type", *case.source.adapter.card.kept_headers}
    headers = {name: value for name, value in case.delivery.headers.items() if name in kept}
    for name in headers:
        assert not any(word in name for word in _CREDENTIALS), case.at(f"{name} is kept")
    again = case.adapted(replace(case.delivery, headers=headers, key="", url="", method="POST"), "a replay")
    assert again is not None, case.at("a replay with card.kept_headers alone cannot be read")
    ids, before = ([e.id for e in one.events if isinstance(e, Event)] for one in (again, case.reading))
    assert ids == before, case.at(f"a replay with card.kept_headers alone gives other ids: {ids} instead of {before}")
    assert contents(again) == contents(case.reading), case.at("a replay with card.kept_headers alone says other things")
