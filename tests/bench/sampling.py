"""`python -m tests.bench.sampling <file> <module> <arguments…>`: run a module, write where its processor time went.

Samples by processor time, one a tick of the kernel (some 4 ms), not by counting calls: what is called often is not made
to look slow, and time inside of C code falls on the function that called it. Imports at the start are left out.
"""

import atexit
import runpy
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType

_EVERY_SECONDS = 0.004
_STARTING, _GENERATED = "_find_and_load", "<string>"
"""The import system; what dataclasses and named tuples are made of."""
_SHOWN = 45


class Samples:
    """Functions by how often they were at work themselves, and how often they were anywhere on the stack."""

    def __init__(self) -> None:
        self.taken = 0
        self.own: Counter[str] = Counter()
        self.whole: Counter[str] = Counter()
        self.lines: Counter[str] = Counter()

    def take(self, _number: int, frame: FrameType | None) -> None:
        """A signal handler: where the process is now."""
        stack: list[FrameType] = []
        while frame is not None:
            stack.append(frame)
            frame = frame.f_back
        if not stack or any(one.f_code.co_name == _STARTING for one in stack):
            return
        self.taken += 1
        caller = next(one for one in stack if one.f_code.co_filename != _GENERATED)
        own = _name(caller) + ("" if caller is stack[0] else " making an object")
        self.own[own] += 1
        self.lines[f"{own}:{caller.f_lineno}"] += 1
        self.whole.update({_name(one) for one in stack})

    def write(self, file: Path) -> None:
        """Percentages, the largest first."""
        parts = [f"{self.taken} samples of processor time"]
        tables = (("itself", self.own), ("with what it calls", self.whole), ("by line", self.lines))
        for title, counts in tables:
            parts.append(f"\n{title}")
            for name, count in counts.most_common(_SHOWN):
                parts.append(f"{100 * count / max(1, self.taken):6.2f} %  {name}")
        file.write_text("\n".join(parts) + "\n")


def _name(frame: FrameType) -> str:
    code = frame.f_code
    return f"{'/'.join(Path(code.co_filename).parts[-3:])} {code.co_qualname}"


def main() -> None:
    """Run it as `python -m` would."""
    file, module, *arguments = sys.argv[1:]
    samples = Samples()
    sys.argv = [module, *arguments]
    signal.signal(signal.SIGPROF, samples.take)
    signal.siginterrupt(signal.SIGPROF, False)
    signal.setitimer(signal.ITIMER_PROF, _EVERY_SECONDS, _EVERY_SECONDS)
    atexit.register(samples.write, Path(file))
    atexit.register(signal.setitimer, signal.ITIMER_PROF, 0)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
