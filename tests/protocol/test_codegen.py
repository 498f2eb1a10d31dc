"""Everything generated is current, and drift is noticed and named."""

import re
import shutil
from pathlib import Path

import pytest
from msgspec import Struct
from msgspec import inspect as ins

from commonroom.codes import CloseCode, ErrorCode
from commonroom.protocol.codegen import markdown, model, typescript, vectors
from commonroom.protocol.codegen.__main__ import ROOT, main
from commonroom.protocol.hash import protocol_hash
from commonroom.protocol.registry import COMMANDS, SERVER_MESSAGES, tag_of
from commonroom.protocol.wire import Command

EARLIER = "commonroom/protocol/vectors/earlier.json"
GENERATED = (
    "client/src/protocol.gen.ts",
    "docs/PROTOCOL.md",
    *(f"commonroom/protocol/vectors/{name}.json" for name in ("messages", "decode_only", "reject", "earlier")),
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in GENERATED:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_all_generated_files_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0, f"run `python -m commonroom.protocol.codegen`: {capsys.readouterr().err}"


def test_drift_is_noticed_named_and_mended(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In all files at once: each is generated from the wire types in a second or two."""
    paths = {name: checkout / name for name in GENERATED}
    for path in paths.values():
        path.write_text(path.read_text("utf-8").replace("2", "3"), "utf-8")
    paths[EARLIER].unlink()
    assert main(["--check"], checkout) == 1
    told = capsys.readouterr().err.splitlines()
    assert sorted(told) == sorted(f"drifted: {name}" for name in GENERATED)
    assert main([], checkout) == 0
    assert main(["--check"], checkout) == 0


def test_outside_a_checkout_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"], tmp_path) == 2
    assert "not a checkout" in capsys.readouterr().err


def test_earlier_encodings_are_only_ever_added_to() -> None:
    old = [{"direction": "server", "name": "skip", "case": "full", "value": {}, "hex": "00"}]
    grown = vectors.generate(old)["earlier"]
    assert grown[0] == old[0]
    assert vectors.generate(grown)["earlier"] == grown


def test_tags_and_names_are_unique_and_the_directions_do_not_share_tags() -> None:
    commands = [tag_of(command) for command in COMMANDS.values()]
    messages = [tag_of(message) for message in SERVER_MESSAGES.values()]
    assert len({*commands, *messages}) == len(commands) + len(messages)
    assert max(commands) < 64 <= min(messages)


def test_every_message_field_and_code_is_on_the_page_and_in_the_client() -> None:
    page = (ROOT / "docs" / "PROTOCOL.md").read_text("utf-8")
    client = (ROOT / "client" / "src" / "protocol.gen.ts").read_text("utf-8")
    for name, struct in {**model.server_messages(), **model.commands()}.items():
        assert f"#### `{name}` · {struct.tag}" in page
        assert f'["{name}", struct(' in client  # its tag is its place, which the vectors show
        assert all(f"| `{field.encode_name}` |" in page for field in struct.fields)
    for code in (*ErrorCode, *CloseCode):
        assert f"| {code.value} | `{code.name}` |" in page
    assert all(f'"{code.name}"' in client for code in ErrorCode)
    assert all(f"const CLOSE_{code.name} = {code.value};" in client for code in CloseCode)


def test_every_type_on_the_page_is_explained() -> None:
    page = (ROOT / "docs" / "PROTOCOL.md").read_text("utf-8")
    for match in re.findall(r"\]\((#[a-z-]+)\)", page):
        anchors = {
            "#" + re.sub(r"[^a-z0-9 -]", "", head.lower()).strip().replace(" ", "-")
            for head in re.findall(r"^#+ (.+)$", page, re.MULTILINE)
        }
        assert match in anchors, match
    assert all(model.summary(struct.cls)[0] for struct in (*model.nested(), *model.commands().values(), *model.server_messages().values()))


def test_an_unknown_marker_is_refused() -> None:
    with pytest.raises(KeyError):
        markdown.rewrite("<!-- generated: nonsense -->\n<!-- end -->")


def test_a_type_the_client_cannot_carry_is_refused() -> None:
    class Odd(Struct, array_like=True):
        either: int | str

    struct = ins.type_info(Odd)
    assert isinstance(struct, ins.StructType)
    with pytest.raises(TypeError, match="only T"):
        typescript.ts_codec(struct.fields[0].type)


def test_the_hash_is_told_by_the_client_and_follows_every_change(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wave(Command, frozen=True, tag=40):
        """Wave."""

        room: str

    assert re.fullmatch("[0-9a-f]{16}", protocol_hash())
    assert f'PROTOCOL_HASH = "{protocol_hash()}"' in typescript.generate()
    before = model.canonical()
    monkeypatch.setitem(COMMANDS, "wave", Wave)
    assert model.canonical() != before
    assert "command wave 40" in model.canonical()
