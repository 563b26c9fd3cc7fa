"""What every part of the configuration is made of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator


class Section(BaseModel):
    """A part of the configuration; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _secrets_from_files(cls, data: Any) -> Any:
        """Read `password_file = "/run/secrets/x"` into `password`."""
        if not isinstance(data, Mapping):
            return data
        data = dict(data)
        for key in [k for k in data if k.endswith("_file") and k not in cls.model_fields]:
            target = key.removesuffix("_file")
            if target in cls.model_fields:
                path = Path(str(data.pop(key)))
                try:
                    data[target] = path.read_text("utf-8").strip()
                except OSError as exc:
                    raise ValueError(f"{key}: can't read {path}: {exc.strerror}") from exc
        return data
