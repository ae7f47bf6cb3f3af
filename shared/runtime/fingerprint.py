"""From what numbers are made, in a few letters: other numbers may follow when it changes."""

import hashlib
from importlib import resources
from pathlib import Path
from zoneinfo import TZPATH, ZoneInfo

from shared.runtime.settings import ServiceSettings


def fingerprint(settings: ServiceSettings) -> str:
    """Changes with everything that the numbers of a build depend on: the company's settings, the clock changes of its
    time zone and the code."""
    root = Path(__file__).parents[2]
    sha = hashlib.sha256(repr(settings.company()).encode() + _clock_changes(settings.zone))
    for folder in (root / "shared", root / "services" / settings.service):
        for path in sorted(folder.rglob("*.py")):
            sha.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return sha.hexdigest()[:16]


def _clock_changes(zone: ZoneInfo) -> bytes:
    """As the system says, else the package `tzdata`: where `zoneinfo` looks."""
    for folder in TZPATH:
        path = Path(folder, zone.key)
        if path.is_file():
            return path.read_bytes()
    return resources.files("tzdata").joinpath("zoneinfo", zone.key).read_bytes()
