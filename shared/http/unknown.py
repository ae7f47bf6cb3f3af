"""A mistyped parameter must not answer with everything: what no route takes is refused."""

from fastapi import Request
from fastapi.dependencies.models import Dependant

from shared.kernel.errors import Fault, InvalidInputError


async def refuse_unknown(request: Request) -> None:
    """Declare it as a dependency of a router. Raises InvalidInputError that names the parameters the path takes."""
    known = _names(request.scope["route"].dependant)
    if set(request.query_params) - known:
        reason = f"is not known here: use {', '.join(sorted(known))}" if known else "is not known here"
        raise InvalidInputError(
            "The request has parameters that this path does not take.", faults=[Fault("query", reason)]
        )


def _names(dependant: Dependant) -> set[str]:
    return {one.alias for one in dependant.query_params}.union(*map(_names, dependant.dependencies))
