"""Guesses a mapping from the headers and values of files; the result is a mapping that a person can read and keep."""

from services.ingest.imports.guess.proposal import Proposal, propose
from services.ingest.imports.guess.understood import Question, Understood

__all__ = ["Proposal", "Question", "Understood", "propose"]
