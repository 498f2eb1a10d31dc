"""The table of compared servers: it must fit what is committed, without any of them being installed."""

import shutil
from pathlib import Path

import pytest

from commonroom.bench.peers.catalogue import MARKS, PEERS, ROOT, Peer, installed, lacks, launch

SCRIPTS = [peer for peer in PEERS if peer.runtime != "c"]


def named(name: str) -> Peer:
    return next(peer for peer in PEERS if peer.name == name)


def install(peer: Peer, root: Path) -> None:
    mark = root / MARKS[peer.runtime]
    mark.parent.mkdir(parents=True)
    mark.touch()


def test_every_peer_has_a_name_of_its_own() -> None:
    assert len({peer.name for peer in PEERS}) == len(PEERS)


@pytest.mark.parametrize("peer", SCRIPTS, ids=lambda peer: peer.name)
def test_the_file_a_peer_runs_is_part_of_the_repository(peer: Peer) -> None:
    assert (ROOT / peer.command[-1]).is_file()


def test_a_peer_that_was_not_installed_says_which_command_does(tmp_path: Path) -> None:
    for peer in PEERS:
        assert "make bench-peers" in lacks(peer, tmp_path)
        assert not installed(peer, tmp_path)


def test_an_installed_peer_lacks_nothing(tmp_path: Path) -> None:
    install(named("send-limit"), tmp_path)
    assert lacks(named("send-limit"), tmp_path) == ""
    assert installed(named("send-limit-batched"), tmp_path)


def test_a_node_peer_without_node_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(named("ws"), tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shutil.which("node") is None
    assert lacks(named("ws"), tmp_path) == "node is not on PATH"


def test_a_missing_shared_library_is_named_with_its_package(tmp_path: Path) -> None:
    needy = Peer(
        name="needy", title="", dialect="websocket", kind="echo", runtime="c", command=(),
        shared_library="nobody-has-this", debian_package="libnobody1",
    )  # fmt: skip
    install(needy, tmp_path)
    assert lacks(needy, tmp_path) == "libnobody-has-this is missing: apt-get install libnobody1"


def test_a_peer_is_started_by_absolute_paths_and_with_its_own_settings_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    argv, environment, directory = launch(named("send-limit-batched"))
    assert argv == (f"{ROOT}/.peers/send_limit",)
    assert directory == str(ROOT)
    assert environment["BATCH"] == "1"
    assert "PYTHONPATH" not in environment


def test_node_is_left_to_path() -> None:
    assert launch(named("ws")).argv == ("node", f"{ROOT}/commonroom/bench/peers/servers/ws.mjs")
