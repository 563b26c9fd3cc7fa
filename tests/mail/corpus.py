"""Where the sample mails lie: `$RELAYDESK_SHARED`, else `../shared` beside the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("RELAYDESK_SHARED") or _ROOT.parent / "shared")
CORPUS = SHARED / "email" / "corpus"

needs_corpus = pytest.mark.skipif(not CORPUS.is_dir(), reason=f"the sample mails aren't there: {CORPUS}")


def files(pattern: str) -> list[Path]:
    """Return the files of the corpus that fit, sorted; none where it isn't there."""
    return sorted(CORPUS.glob(pattern))
