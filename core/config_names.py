"""Which keys a configuration model knows: to name the nearest one to a mistake."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel


def nearest(root: Any, loc: tuple[int | str, ...]) -> str:
    """Say which known key the unknown one may have meant."""
    model: Any = root
    for part in loc[:-1]:
        if isinstance(part, int):
            continue
        model = _inner_model(model.model_fields[part].annotation)
    near = difflib.get_close_matches(str(loc[-1]), list(model.model_fields), 1, 0.5)
    if near:
        prefix = ".".join(str(p) for p in loc[:-1])
        return f"; did you mean '{prefix + '.' if prefix else ''}{near[0]}'?"
    return f"; known here: {', '.join(sorted(model.model_fields))}"


def _inner_model(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for arg in get_args(annotation):
        found = _inner_model(arg)
        if found is not None:
            return found
    return None


def names(model: Any, prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        inner = _inner_model(field.annotation)
        whole = f"{prefix}{name}".upper()
        yield whole
        if inner is not None:
            yield from names(inner, f"{whole}__")
        else:
            yield f"{whole}_FILE"
