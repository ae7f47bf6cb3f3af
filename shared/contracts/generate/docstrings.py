"""What the source says about a class and its fields: the strings under them, which Python itself throws away."""

import ast
import inspect
import textwrap
from functools import cache


@cache
def summary(cls: type) -> str:
    """The docstring on one line."""
    return " ".join(inspect.cleandoc(cls.__doc__ or "").split())


def field_words(cls: type) -> dict[str, str]:
    """The string under each field, inherited fields included, each on one line."""
    words: dict[str, str] = {}
    for ancestor in reversed(cls.__mro__):
        if ancestor.__module__.startswith("shared.contracts."):
            words |= _own_words(ancestor)
    return words


@cache
def _own_words(cls: type) -> dict[str, str]:
    body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    assert isinstance(body, ast.ClassDef)  # noqa: S101 - the source of a class
    words: dict[str, str] = {}
    for field, below in zip(body.body, body.body[1:], strict=False):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                words[name] = " ".join(text.split())
    return words
