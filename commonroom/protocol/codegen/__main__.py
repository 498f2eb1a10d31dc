"""Writes all that is generated from the wire types; `--check` only compares.

Exit codes: 0 all is current, 1 something has drifted (named on stderr), 2 not in a checkout.
"""

import argparse
import json
import sys
from pathlib import Path

from commonroom.protocol.codegen import markdown, typescript, vectors

__all__ = ["drifted", "main", "outputs"]

ROOT = Path(__file__).parents[3]


def outputs(root: Path) -> dict[Path, str]:
    """What every generated file of the checkout should hold."""
    page = root / "docs" / "PROTOCOL.md"
    folder = root / "commonroom" / "protocol" / "vectors"
    earlier = folder / "earlier.json"
    committed = json.loads(earlier.read_text("utf-8")) if earlier.exists() else []
    files = {
        root / "client" / "src" / "protocol.gen.ts": typescript.generate(),
        page: markdown.rewrite(page.read_text("utf-8")),
    }
    for name, rows in vectors.generate(committed).items():
        files[folder / f"{name}.json"] = vectors.dump(rows)
    return files


def drifted(files: dict[Path, str]) -> list[Path]:
    """The files that hold something else, or are missing."""
    return [path for path, text in files.items() if not path.exists() or path.read_text("utf-8") != text]


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m commonroom.protocol.codegen", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 on drift")
    check = parser.parse_args(arguments).check
    if not (root / "client" / "src").is_dir():
        print(f"not a checkout of Commonroom: {root} has no client/src", file=sys.stderr)  # noqa: T201
        return 2
    files = outputs(root)
    stale = drifted(files)
    for path in stale:
        print(f"{'drifted' if check else 'wrote'}: {path.relative_to(root)}", file=sys.stderr)  # noqa: T201
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[path], "utf-8")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
