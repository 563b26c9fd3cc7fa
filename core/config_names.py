"""Which keys a configuration model knows: to name the nearest one to a mistake."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel


def nearest(root: Any, loc: tuple[int | str, ...]) -> str:
    """Say which known key the unknown one may have meant."""
    model = model_at(root, loc[:-1])
    near = difflib.get_close_matches(str(loc[-1]), list(model.model_fields), 1, 0.5)
    if near:
        prefix = ".".join(str(p) for p in loc[:-1])
        return f"; did you mean '{prefix + '.' if prefix else ''}{near[0]}'?"
    return f"; known here: {', '.join(sorted(model.model_fields))}"


def model_at(root: Any, loc: tuple[int | str, ...]) -> Any:
    """Return the model of the table at this place, or of a list's tables."""
    model: Any = root
    for part in loc:
        if not isinstance(part, int):
            model = inner_model(model.model_fields[part].annotation)
    return model


def is_table(annotation: Any) -> bool:
    """Say whether a key with this type is one table."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def inner_model(annotation: Any) -> Any:
    """Return the model of a table or of a list's tables; None for any other type."""
    if is_table(annotation):
        return annotation
    for arg in get_args(annotation):
        found = inner_model(arg)
        if found is not None:
            return found
    return None


def names(model: Any, prefix: str) -> Iterator[str]:
    """Yield the variables that set the model's keys."""
    for name, field in model.model_fields.items():
        whole = f"{prefix}{name}".upper()
        yield whole
        if is_table(field.annotation):
            yield from names(field.annotation, f"{whole}__")
        else:
            yield f"{whole}_FILE"
