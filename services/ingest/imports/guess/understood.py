"""What a guess gives beside the mapping: what each column was taken for, and what must be asked."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Understood:
    """One column of a file."""

    file: str
    column: str
    meaning: str | None
    """Such as `deal.amount`; None: it is not used."""
    sureness: str | None
    """`certain`, `likely` or `doubtful`."""
    read_as: str | None
    """The expression of the mapping."""
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What the files do not say, and nobody should guess."""

    id: str
    """What an answer is given to: `id=choice`."""
    text: str
    choices: Sequence[str]
    """Empty: any text of the kind that is asked for."""
    file: str | None = None
