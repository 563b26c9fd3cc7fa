"""Everything that we install is permissive, MPL, LGPL or PSF; and the locks name packages, not places."""

from __future__ import annotations

import re
from importlib import metadata
from typing import Any

import pytest

from tests.locks import LOCKS, ROOT, all_locked, locked

# SPDX identifiers, in lower case.
ALLOWED = {
    "0bsd",
    "apache-2.0",
    "bsd-2-clause",
    "bsd-3-clause",
    "cc0-1.0",
    "isc",
    "lgpl-2.1-only",
    "lgpl-2.1-or-later",
    "lgpl-3.0-only",
    "lgpl-3.0-or-later",
    "mit",
    "mit-0",
    "mit-cmu",
    "mpl-2.0",
    "psf-2.0",
    "python-2.0",
    "unlicense",
    "zlib",
}

# What older metadata says in its own words: the License field, or a classifier.
SPELLED = {
    "apache 2.0": "Apache-2.0",
    "bsd 2-clause license": "BSD-2-Clause",
    "license :: osi approved :: apache software license": "Apache-2.0",
    "license :: osi approved :: bsd license": "BSD-3-Clause",
    "license :: osi approved :: mit license": "MIT",
    "license :: osi approved :: mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "license :: osi approved :: python software foundation license": "PSF-2.0",
}

# Packages whose metadata can't be asked, each with the reason and where its licence was read.
KNOWN = {
    "axe-playwright-python": "MIT AND MPL-2.0",  # says nothing; its LICENSE is MIT, the axe-core in it MPL
    "python-dateutil": "Apache-2.0 OR BSD-3-Clause",  # says "Dual License"; both stand in its LICENSE
    "tzdata": "Apache-2.0",  # locked for Windows alone, so not installed here; LICENSE in its repository
    "colorama": "BSD-3-Clause",  # the same
    "dkimpy": "Zlib",  # says "BSD-like"; the LICENSE that it installs has zlib's words
    "imapclient": "BSD-3-Clause",  # says nothing in a field; the COPYING that it installs is the new BSD licence
}


def allowed(expression: str) -> bool:
    """Say whether an SPDX expression leaves us a permitted choice; what isn't understood is refused."""
    return any(
        all(term.strip().lower() in ALLOWED for term in re.split(r"\s+AND\s+", choice))
        for choice in re.split(r"\s+OR\s+", expression.strip())
    )


def expression_of(name: str) -> str:
    """Return the SPDX expression of an installed package, or what it says instead, or an empty text."""
    about: Any = metadata.metadata(name)
    if expression := about.get("License-Expression"):
        return str(expression)
    classifiers = [c for c in about.get_all("Classifier") or [] if c.startswith("License :: OSI Approved ::")]
    stated = str(about.get("License") or "").strip()
    for said in (stated, *classifiers):
        if said and len(said) < 100:
            return SPELLED.get(said.lower(), str(said))
    return ""


@pytest.mark.parametrize("name", sorted(each.name for each in all_locked()))
def test_licence_of_a_locked_package_is_permitted(name: str) -> None:
    """A package under the GPL or AGPL, or of which we don't know, doesn't get in."""
    expression = KNOWN[name] if name in KNOWN else expression_of(name)
    assert allowed(expression), f"{name}: licence '{expression or 'unknown'}'"


@pytest.mark.parametrize(
    ("expression", "permitted"),
    [
        ("MIT", True),
        ("Apache-2.0 AND MIT", True),
        ("GPL-3.0-or-later OR MIT", True),
        ("LGPL-3.0-or-later", True),
        ("GPL-3.0-or-later", False),
        ("MIT AND GPL-2.0-only", False),
        ("AGPL-3.0-only", False),
        ("GNU General Public License v3 (GPLv3)", False),
        ("Proprietary", False),
        ("", False),
    ],
)
def test_the_check_knows_good_from_bad(expression: str, permitted: bool) -> None:
    """The check above can fail."""
    assert allowed(expression) is permitted


@pytest.mark.parametrize("file", LOCKS)
def test_a_lock_names_no_place(file: str) -> None:
    """Whoever installs chooses the index: the lock holds no address, no index, no path and no option of pip's."""
    for number, line in enumerate((ROOT / file).read_text("utf-8").splitlines(), 1):
        code = line.strip()
        assert "://" not in code, f"{file}:{number} names an address"
        assert not re.match(r"-(?!-hash=)", code), f"{file}:{number} is an option"
        assert " @ " not in code, f"{file}:{number} names a place"


@pytest.mark.parametrize("file", LOCKS)
def test_every_locked_package_has_its_hashes(file: str) -> None:
    """Each is pinned to one version and to the bytes of its files."""
    packages = locked(file)
    assert len(packages) > 20
    for each in packages:
        assert each.hashes, each.name
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", value) for value in each.hashes), each.name


def test_both_locks_agree() -> None:
    """What both files hold has one version."""
    run = {each.name: each.version for each in locked(LOCKS[0])}
    dev = {each.name: each.version for each in locked(LOCKS[1])}
    assert {name: dev[name] for name in dev.keys() & run.keys() if dev[name] != run[name]} == {}


def test_what_is_installed_is_what_is_locked() -> None:
    """The tests run on the locked versions."""
    for each in all_locked():
        if each.marker and each.name in KNOWN:
            continue
        assert metadata.version(each.name) == each.version, each.name


def test_html2text_stays_out() -> None:
    """It reads HTML well and is under the GPL."""
    assert "html2text" not in {each.name for each in all_locked()}
