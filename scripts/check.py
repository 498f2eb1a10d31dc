"""All checks of `make check`, each by its own tool; says which failed, after all have run."""

import subprocess
import sys

CHECKS = {
    "style": ["ruff", "check", "."],
    "format": ["ruff", "format", "--check", "."],
    "types": ["mypy"],
    "layers": ["lint-imports"],
    "generated code": [sys.executable, "-m", "commonroom.protocol.codegen", "--check"],
    "client types": ["npm", "--prefix", "client", "run", "--silent", "check"],
    "page types": ["npm", "--prefix", "web", "run", "--silent", "check"],
}


def main() -> int:
    failed = []
    for name, command in CHECKS.items():
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        sys.stdout.write(f"{name}: {'ok' if done.returncode == 0 else 'FAILED'}\n")
        if done.returncode != 0:
            failed.append(name)
            sys.stdout.write(done.stdout + done.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
