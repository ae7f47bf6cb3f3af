"""The key file: who is found, who is not, and that a change counts at once."""

import hashlib
import os
from pathlib import Path

import pytest

from shared.http.auth import ApiKeys, Caller, bearer


def line(name: str, key: str, scopes: str) -> str:
    return f"{name}:{hashlib.sha256(key.encode()).hexdigest()}:{scopes}\n"


def write(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")
    stamp = path.stat()
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns + 1_000_000))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text("# made by hand\n\n" + line("crm", "k1", "write") + line("ops", "k2", "read,admin"), "utf-8")
    return path


def test_a_known_key(file: Path) -> None:
    keys = ApiKeys(file)
    assert keys.find("k1") == Caller("crm", frozenset({"write"}))
    assert keys.find("k2") == Caller("ops", frozenset({"read", "admin"}))


@pytest.mark.parametrize("key", ["", "k", "k1 ", "K1", "ключ", hashlib.sha256(b"k1").hexdigest()])
def test_an_unknown_key(file: Path, key: str) -> None:
    assert ApiKeys(file).find(key) is None


def test_a_change_counts_at_once(file: Path) -> None:
    keys = ApiKeys(file)
    write(file, line("crm", "k3", "write"))
    assert keys.find("k1") is None
    assert keys.find("k3") is not None


def test_without_the_file_nobody_is_known(file: Path) -> None:
    keys = ApiKeys(file)
    file.unlink()
    assert keys.find("k1") is None
    assert ApiKeys(file).find("k1") is None
    assert ApiKeys(None).find("") is None


@pytest.mark.parametrize(
    "bad", ["crm", "crm:abc:read", "crm:" + "0" * 64 + ":root", "crm:" + "0" * 64 + ":", "a b:x:y"]
)
def test_a_bad_line_opens_nothing_and_spoils_nothing(file: Path, bad: str) -> None:
    write(file, f"{bad}\n" + line("ops", "k2", "read"))
    keys = ApiKeys(file)
    assert keys.find("k2") is not None
    assert keys.find("") is None


@pytest.mark.parametrize(
    ("header", "key"), [("Bearer k", "k"), ("bearer  k ", "k"), ("Basic k", ""), ("k", ""), ("", ""), ("Bearer", "")]
)
def test_the_bearer_key(header: str, key: str) -> None:
    assert bearer(header) == key
