"""The committed page is the one that the sources make. Needs no Node."""

import gzip
import hashlib
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "commonroom" / "http" / "static"
SOURCES = ("web/src", "client/src", "web/package-lock.json")
ALL, WITH_ADMIN, WITH_DIALOGS = "chunk-admin-app-dialogs.js", "chunk-admin-app.js", "chunk-app-dialogs.js"
FIRST = ("app.js", ALL, WITH_ADMIN, WITH_DIALOGS)
WITHOUT_APP = "chunk-admin-dialogs.js"
SCRIPTS = (*FIRST, WITHOUT_APP, "admin.js", "dialogs.js", "theme.js")
FIRST_LOAD_BYTES = 90 * 1024


def source_digest(root: Path) -> str:
    """What web/build.mjs writes to BUILD."""
    files = [
        file
        for source in SOURCES
        for file in ([root / source] if source.endswith(".json") else (root / source).rglob("*"))
        if file.is_file()
    ]
    digest = hashlib.sha256()
    for name, file in sorted((file.relative_to(root).as_posix(), file) for file in files):
        digest.update(f"{name}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def test_the_built_page_is_as_new_as_its_sources() -> None:
    built = (STATIC / "BUILD").read_text().strip()
    assert built == source_digest(ROOT), "commonroom/http/static is stale: run `npm --prefix web run build` and commit it"


def test_a_changed_source_changes_the_digest(tmp_path: Path) -> None:
    for source in ("web/src", "client/src"):
        (tmp_path / source).mkdir(parents=True)
    lock = tmp_path / "web" / "package-lock.json"
    lock.write_text("{}")
    before = source_digest(tmp_path)
    lock.write_text("{ }")
    assert source_digest(tmp_path) != before


def test_every_reference_of_the_page_exists() -> None:
    page = (STATIC / "index.html").read_text()
    names = re.findall(r'(?:src|href)="/assets/@/([^"]+)"', page)
    assert {*FIRST, "app.css", "theme.js", "favicon.svg"} <= set(names)
    fonts = re.findall(r'url\("?\./([^")]+)', (STATIC / "app.css").read_text())
    assert fonts
    assert [name for name in [*names, *fonts] if not (STATIC / name).is_file()] == []


def test_the_page_has_nothing_that_its_content_policy_refuses() -> None:
    page = (STATIC / "index.html").read_text()
    assert re.findall(r"<script(?![^>]*\bsrc=)", page) == []
    assert re.findall(r"<style|\bstyle=|\bon\w+=", page) == []
    for script in SCRIPTS:
        assert re.findall(r"\beval\(|new Function\(", (STATIC / script).read_text()) == []


def test_the_page_refers_to_no_other_origin() -> None:
    references = re.findall(r'(?:src|href)="([^"]+)"', (STATIC / "index.html").read_text())
    assert all(reference.startswith("/") and not reference.startswith("//") for reference in references)
    assert re.findall(r"url\(\"?(?:https?:)?//", (STATIC / "app.css").read_text()) == []
    assert re.findall(r"@import", (STATIC / "app.css").read_text()) == []


def test_scripts_import_what_is_there_and_only_what_few_people_want_when_it_is_wanted() -> None:
    imports = {script: set(re.findall(r'(?:from|import)"\./([^"]+)"', (STATIC / script).read_text())) for script in SCRIPTS}
    assert imports == {
        "app.js": {ALL, WITH_ADMIN, WITH_DIALOGS}, ALL: set(), WITH_ADMIN: {ALL}, WITH_DIALOGS: {ALL},
        "admin.js": {ALL, WITH_ADMIN, WITHOUT_APP}, "dialogs.js": {ALL, WITH_DIALOGS, WITHOUT_APP}, WITHOUT_APP: {ALL}, "theme.js": set(),
    }  # fmt: skip
    assert sorted(re.findall(r'import\("\./([^"]+)"\)', (STATIC / "app.js").read_text())) == ["admin.js", "dialogs.js"]


def test_the_first_load_stays_small() -> None:
    names = ("index.html", "theme.js", "app.css", *FIRST)
    total = sum(len(gzip.compress((STATIC / name).read_bytes(), 9)) for name in names)
    assert total <= FIRST_LOAD_BYTES
