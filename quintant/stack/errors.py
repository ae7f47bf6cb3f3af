"""What can go wrong with a local stack. Each error says what happened and what the reader can do about it."""

from pathlib import Path

_TAIL_BYTES = 16_384


class StackError(Exception):
    """Something of the stack failed. `advice` is what to do; `tail` the last lines of the log that tells more."""

    def __init__(self, message: str, *, advice: str = "", log: Path | None = None, exit_code: int = 1) -> None:
        self.message = message
        self.advice = advice
        self.log = log
        self.exit_code = exit_code
        self.tail = tail(log) if log else ""
        super().__init__("\n".join(part for part in (message, advice, self.tail) if part))


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log; empty when there is none."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            text = stream.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
