"""Set up what a make target needs, with nothing but Python's standard library.

    python3 scripts/bootstrap.py runtime     .venv with the locked runtime
    python3 scripts/bootstrap.py dev         the same with the tools of `make check` and `make test`
    python3 scripts/bootstrap.py node        Node.js >= 20 and the packages of client/ and web/
    python3 scripts/bootstrap.py browser     a Chromium on PATH

Several may be named. Does nothing, quickly, when all is there. Each thing that is
missing and cannot be installed is one line and exit code 1.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "installed"
LOCKS = {"runtime": ROOT / "requirements.lock", "dev": ROOT / "requirements-dev.lock"}
PYTHONS = ("python3.12", "python3.11")
OLDEST, NEWEST = (3, 11), (3, 12)
NODE_MAJOR = 20
SHELL = "chromium-headless-shell"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def fail(line):
    sys.stderr.write(f"commonroom: {line}\n")
    sys.exit(1)


def use_supported_python():
    """Go on under a supported interpreter, or say which one is needed."""
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        return
    for name in PYTHONS:
        found = shutil.which(name)
        if found:
            os.execv(found, [found, *sys.argv])
    fail("Python 3.11 or 3.12 is needed, found only {}.{}: install python3.12".format(*sys.version_info[:2]))


def wanted_stamp(kind):
    parts = [sys.version, str(VENV), LOCKS[kind].read_text(), (ROOT / "pyproject.toml").read_text()]
    return f"{kind} {hashlib.sha256(chr(0).join(parts).encode()).hexdigest()}"


def have_stamp(kind):
    have = STAMP.read_text().split("\n") if STAMP.exists() else []
    return wanted_stamp(kind) in have or (kind == "runtime" and wanted_stamp("dev") in have)


def install(kind):
    """The virtual environment as the lock file says, and this package in it."""
    if have_stamp(kind):
        return
    python = VENV / "bin" / "python"
    sys.stderr.write(f"installing {LOCKS[kind].name} into .venv\n")
    if not python.exists() and subprocess.call([sys.executable, "-m", "venv", str(VENV)]) != 0:
        shutil.rmtree(VENV, ignore_errors=True)
        fail("Python's venv module does not work here: apt-get install python3-venv")
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    steps = (
        [*pip, "--require-hashes", "-r", str(LOCKS[kind])],
        [*pip, "--no-deps", "--no-build-isolation", "-e", str(ROOT)],
    )
    for step in steps:
        if subprocess.call(step) != 0:
            fail("pip failed, see above: nothing was started")
    STAMP.write_text(f"{wanted_stamp(kind)}\n")


def install_node():
    """Node.js is not installed for anybody; its packages are, where the lock file is newer."""
    node = shutil.which("node")
    version = subprocess.check_output([node, "--version"], text=True).strip().lstrip("v") if node else "none"
    if not node or int(version.split(".")[0]) < NODE_MAJOR:
        fail(f"Node.js {NODE_MAJOR} or newer is needed for the client's own tests, found {version}: install nodejs")
    for folder in (ROOT / "client", ROOT / "web"):
        lock, done = folder / "package-lock.json", folder / "node_modules" / ".installed"
        digest = hashlib.sha256(lock.read_bytes()).hexdigest()
        if done.exists() and done.read_text() == digest:
            continue
        sys.stderr.write(f"npm ci in {folder.name}\n")
        if subprocess.call(["npm", "ci", "--no-audit", "--no-fund", "--silent"], cwd=str(folder)) != 0:
            fail(f"npm ci failed in {folder.name}, see above")
        done.write_text(digest)


def install_browser():
    """Chromium without its windows where it can be had: a page costs a fifth of the CPU."""
    if shutil.which(SHELL):
        return
    others = any(shutil.which(name) for name in BROWSERS)
    if os.geteuid() == 0 and shutil.which("apt-get"):
        sys.stderr.write(f"installing Debian's {SHELL}\n")
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        steps = (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", SHELL])
        if all(subprocess.call(step, env=environment, stdout=subprocess.DEVNULL) == 0 for step in steps):
            return
    if not others:
        fail(f"no Chromium on PATH for the browser tests: install chromium (Debian: apt-get install {SHELL})")


STEPS = {"runtime": lambda: install("runtime"), "dev": lambda: install("dev"), "node": install_node, "browser": install_browser}


def main():
    use_supported_python()
    for name in sys.argv[1:]:
        if name not in STEPS:
            fail(f"no such step: {name}")
        STEPS[name]()


if __name__ == "__main__":
    main()
