"""The secrets of docker-compose.yml, as files in deploy/secrets. Needs nothing but Python; never changes what is there.

python3 deploy/make_secrets.py                        what is missing
python3 deploy/make_secrets.py key NAME SCOPE...      a new API key (read, write, admin), shown once
python3 deploy/make_secrets.py revoke NAME            its end
"""

import argparse
import hashlib
import os
import re
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path

DIRECTORY = Path(__file__).resolve().parent / "secrets"
SCOPES = ("read", "write", "admin")
NO_WEBHOOK = "http://set-the-receiver.invalid/"
"""`.invalid` never resolves: until somebody puts a real address here, Alertmanager logs that it cannot deliver."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def make_missing(directory: Path) -> str | None:
    """Make the files that are not there. The key of `owner`, if the file of keys was among them."""
    # A container sees a single file, with the mode that it has here, as a user of its own: so everybody may read the
    # files, and nobody else may enter the folder.
    directory.mkdir(mode=0o700, exist_ok=True)
    directory.chmod(0o700)
    for name in ("postgres_password", "database_password", "grafana_admin_password", "prometheus_key"):
        _make(directory / name, secrets.token_urlsafe(32))
    password = (directory / "database_password").read_text("utf-8").strip()
    _make(directory / "database_url", f"postgresql://quintant:{password}@postgres:5432/quintant")
    _make(directory / "alertmanager_webhook_url", NO_WEBHOOK)
    _make(directory / "sources", '{"sources": {}}')
    owner = secrets.token_urlsafe(32)
    prometheus = (directory / "prometheus_key").read_text("utf-8").strip()
    lines = [_line("prometheus", prometheus, ["read"]), _line("owner", owner, SCOPES)]
    return owner if _make(directory / "api_keys", "\n".join(lines)) else None


def add_key(directory: Path, name: str, scopes: Sequence[str]) -> str:
    """A new key under a name, in place of a former one of that name."""
    if not _NAME.fullmatch(name):
        raise SystemExit("a name is made of letters, digits, dots, hyphens and underscores")
    key = secrets.token_urlsafe(32)
    _rewrite(directory / "api_keys", [*_others(directory, name), _line(name, key, scopes)])
    return key


def revoke(directory: Path, name: str) -> None:
    """Let the key of this name in no more."""
    _rewrite(directory / "api_keys", _others(directory, name))


def _line(name: str, key: str, scopes: Sequence[str]) -> str:
    return f"{name}:{hashlib.sha256(key.encode()).hexdigest()}:{','.join(dict.fromkeys(scopes))}"


def _others(directory: Path, name: str) -> list[str]:
    lines = (directory / "api_keys").read_text("utf-8").splitlines()
    return [line for line in lines if not line.startswith(f"{name}:")]


def _make(path: Path, text: str) -> bool:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        return False
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(f"{text}\n")
    path.chmod(0o644)
    return True


def _rewrite(path: Path, lines: Sequence[str]) -> None:
    # In place: a container holds on to the file itself, and would never see another one under its name.
    with path.open("r+", encoding="utf-8") as file:
        file.write("".join(f"{line}\n" for line in lines))
        file.truncate()


def main(argv: Sequence[str] | None = None, directory: Path = DIRECTORY) -> int:
    parser = argparse.ArgumentParser(prog="deploy/make_secrets.py", description="The secrets of docker-compose.yml.")
    commands = parser.add_subparsers(dest="command")
    adding = commands.add_parser("key", help="make an API key and show it once")
    adding.add_argument("name")
    adding.add_argument("scopes", nargs="+", choices=SCOPES, metavar="scope")
    commands.add_parser("revoke", help="end an API key").add_argument("name")
    given = parser.parse_args(argv)
    made = make_missing(directory)
    if made is not None:
        sys.stdout.write(f"API key of `owner` (read, write, admin); it is shown only now:\n{made}\n")
    if given.command == "key":
        key = add_key(directory, given.name, given.scopes)
        sys.stdout.write(f"API key of `{given.name}`; it is shown only now:\n{key}\n")
    elif given.command == "revoke":
        revoke(directory, given.name)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
