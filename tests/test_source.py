"""What the source must not contain, whoever calls it (RELIABILITY T18)."""

import ast
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import commonroom
from commonroom.ids import new_code, new_id, new_secret

ROOT = Path(commonroom.__file__).parent
APART = ("engine/testing", "bench")
"""The test kit and the bench guard nothing."""

FILES = [path for path in sorted(ROOT.rglob("*.py")) if not path.relative_to(ROOT).as_posix().startswith(APART)]

SECRET = re.compile(
    r"(^|_)(secrets?|passwords?|tokens?|hash(es)?|hmac|mac|digests?|signatures?|verifier|challenge|codes?|state|nonce|jti|cookie)(_of)?$"
)
"""How values are called that somebody could guess byte by byte from the time a comparison takes."""

HARMLESS = {
    # Two readings of one stored row: nobody brings either of them.
    ("account/account.py", "change.user.password_hash != before.password_hash"),
}

UNPICKLERS = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "shelve", "marshal", "jsonpickle", "joblib"}
GUESSABLE = {"random", "uuid", "numpy"}
KEEPERS_OF_SECRETS = ("account", "token", "storage/repository", "http/routes", "http/auth.py")


def name_of(node: ast.expr) -> str:
    """The last name of an expression: of an attribute, a call, a key."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call(func=ast.Attribute(attr="get"), args=[ast.Constant(value=str(key)), *_]):
            return key
        case ast.Call(func=ast.Attribute(value=value, attr="encode" | "decode" | "strip" | "lower" | "hexdigest" | "digest")):
            return name_of(value)
        case ast.Call(func=func):
            return name_of(func)
        case ast.Subscript(slice=ast.Constant(value=str(key))):
            return key
        case ast.Subscript(value=value) | ast.Await(value=value):
            return name_of(value)
    return ""


def is_plain(node: ast.expr) -> bool:
    """A constant, or a name of one: who compares with it compares no secrets."""
    return isinstance(node, ast.Constant) or (isinstance(node, ast.UnaryOp) and is_plain(node.operand)) or name_of(node).isupper()


def compared_secrets(tree: ast.AST) -> Iterator[str]:
    """Comparisons of secrets that stop at the first byte that differs."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare) or not isinstance(node.ops[0], ast.Eq | ast.NotEq):
            continue
        sides = [node.left, *node.comparators]
        if any(SECRET.search(name_of(side).lower()) for side in sides) and not any(is_plain(side) for side in sides):
            yield ast.unparse(node)


def imported(tree: ast.AST) -> Iterator[str]:
    """The top-level packages that are imported, anywhere in the file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").partition(".")[0]


def names_from(tree: ast.AST, module: str) -> set[str]:
    """What is imported from a module."""
    found = (node.names for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == module)
    return {alias.name for names in found for alias in names}


@pytest.fixture(scope="module")
def sources() -> dict[str, ast.AST]:
    """All of them, by their paths."""
    return {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text("utf-8")) for path in FILES}


def test_T18_no_secret_is_compared_byte_by_byte(sources: dict[str, ast.AST]) -> None:
    assert {(where, one) for where, tree in sources.items() for one in compared_secrets(tree)} - HARMLESS == set()


def test_T18_nothing_is_unpickled(sources: dict[str, ast.AST]) -> None:
    assert [where for where, tree in sources.items() if not UNPICKLERS.isdisjoint(imported(tree))] == []


def test_T18_what_guards_something_is_drawn_from_the_operating_system(sources: dict[str, ast.AST]) -> None:
    assert [where for where, tree in sources.items() if not GUESSABLE.isdisjoint(imported(tree))] == ["ids.py"]
    kept = {where: tree for where, tree in sources.items() if where.startswith(KEEPERS_OF_SECRETS)}
    assert [where for where, tree in kept.items() if names_from(tree, "commonroom.ids") & {"Random", "seeded"}] == []


def test_T18_secrets_and_codes_do_not_follow_from_a_seed() -> None:
    random.seed(1)
    first = {new_secret(), new_code() + new_code() + new_code(), new_id(0)}
    random.seed(1)
    assert first.isdisjoint({new_secret(), new_code() + new_code() + new_code(), new_id(0)})


@pytest.mark.parametrize(
    "source",
    [
        "token == stored.token",
        "if given_hash != row['code_hash']: pass",
        "hash_of(a) == expected",
        "cookies.get('state') != flow.state",
        "mac.hexdigest() == given",
        "await secret_of(x) == y",
        "ok = a and claims.nonce == expected.nonce",
    ],
)
def test_the_check_notices_a_compared_secret(source: str) -> None:
    tree = ast.parse(f"async def f():\n    {source}")
    assert len(list(compared_secrets(tree))) == 1


@pytest.mark.parametrize("source", ["hmac.compare_digest(token, stored)", "token is None", "code != 0", "code == ErrorCode.GONE", "a == b"])
def test_the_check_lets_other_comparisons_be(source: str) -> None:
    assert list(compared_secrets(ast.parse(source))) == []


def test_the_check_notices_imports_wherever_they_stand() -> None:
    tree = ast.parse("import json, pickle as p\ndef f():\n    from random import choice\n    from commonroom.ids import seeded")
    assert {"pickle", "random"} <= set(imported(tree))
    assert names_from(tree, "commonroom.ids") == {"seeded"}
