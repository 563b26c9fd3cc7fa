"""What every part of the configuration is made of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, model_validator


class ConfigError(Exception):
    """The configuration can't be used; the message is one line that says what to mend."""


class Section(BaseModel):
    """A part of the configuration; unknown keys are refused. `places`: which keys are paths (""  for none), so that
    they are the configuration file's neighbours where they're relative."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    places: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _secrets_from_files(cls, data: Any) -> Any:
        """Read `password_file = "/run/secrets/x"` into `password`."""
        if not isinstance(data, Mapping):
            return data
        data = dict(data)
        for key in [key for key in data if cls.names_file(key)]:
            target, path = key.removesuffix("_file"), Path(str(data.pop(key)))
            if data.get(target):
                raise ValueError(f"{target} and {key} are both given; leave one out")
            try:
                data[target] = path.read_text("utf-8").strip()
            except OSError as exc:
                raise ValueError(f"{key}: can't read {path}: {exc.strerror}") from exc
            except ValueError as exc:
                raise ValueError(f"{key}: {path} is no text (in UTF-8)") from exc
        return data

    @classmethod
    def names_file(cls, key: object) -> bool:
        """Say whether a key is a known one's `…_file`."""
        return (
            isinstance(key, str)
            and key.endswith("_file")
            and key not in cls.model_fields
            and key.removesuffix("_file") in cls.model_fields
        )
