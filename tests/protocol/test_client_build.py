"""The served client files are built from today's sources. Needs no Node."""

import gzip
import hashlib
from pathlib import Path

import pytest

from commonroom.protocol.codec import JSON_PROTOCOL, MSGPACK_PROTOCOL
from commonroom.protocol.hash import protocol_hash

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "client"
STATIC = ROOT / "commonroom" / "http" / "static"
BUDGET_BYTES = 8 * 1024

FILES = pytest.mark.parametrize("name", ["client.js", "client.iife.js"])


def digest(client: Path) -> str:
    """What client/build.mjs writes to CLIENT_BUILD."""
    sources = [file.relative_to(client).as_posix() for file in (client / "src").rglob("*.ts")]
    total = hashlib.sha256()
    for name in sorted([*sources, "package-lock.json", "build.mjs"]):
        total.update(name.encode() + b"\0" + (client / name).read_bytes() + b"\0")
    return total.hexdigest()


def test_the_built_client_is_as_new_as_its_sources() -> None:
    built = (STATIC / "CLIENT_BUILD").read_text().strip()
    assert built == digest(CLIENT), "commonroom/http/static/client.js is stale: run `npm --prefix client run build` and commit it"


def test_a_changed_source_changes_the_digest(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    for name in ("src/index.ts", "package-lock.json", "build.mjs"):
        (tmp_path / name).write_text("1")
    before = digest(tmp_path)
    (tmp_path / "src" / "index.ts").write_text("2")
    assert digest(tmp_path) != before


@FILES
def test_the_client_fits_its_budget(name: str) -> None:
    size = len(gzip.compress((STATIC / name).read_bytes(), 9))
    assert size <= BUDGET_BYTES, f"{name} has {size} bytes gzipped, {BUDGET_BYTES} are allowed"


@FILES
def test_the_client_speaks_this_protocol_and_needs_no_eval(name: str) -> None:
    text = (STATIC / name).read_text("utf-8")
    assert protocol_hash() in text
    assert MSGPACK_PROTOCOL in text
    assert JSON_PROTOCOL in text
    assert "eval(" not in text
    assert "new Function" not in text
