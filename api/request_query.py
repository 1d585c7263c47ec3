"""Reading the parameters of a request's query."""

from starlette.datastructures import QueryParams

from betcore.domain.errors import Malformed

_LONGEST = 128


def one_text(query: QueryParams, name: str) -> str | None:
    """Return a parameter, None if it is not there or empty. Raises Malformed if it is there twice, or cannot be."""
    given = query.getlist(name)
    if len(given) > 1:
        raise Malformed(f"{name} is given twice")
    if not given or not given[0]:
        return None
    if len(given[0]) > _LONGEST or not given[0].isprintable():
        raise Malformed(f"{name} is a text of at most {_LONGEST} characters")
    return given[0]
