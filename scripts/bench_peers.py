"""Install the servers that `commonroom bench compare` measures against, with nothing but Python's standard library.

    python3 scripts/bench_peers.py

Python's go into .peers/venv, the C one is compiled to .peers/send_limit, Node's packages go
beside their package.json. Does nothing, quickly, when all is there. What can do without is
left out with a line that says so; all else that is missing is one line and exit code 1.
"""

import hashlib
import os
import shutil
import subprocess
import sys

from bootstrap import NODE_MAJOR, ROOT, fail, use_supported_python

PEERS = ROOT / "commonroom" / "bench" / "peers"
HOME = ROOT / ".peers"
VENV = HOME / "venv"
PYTHON = VENV / "bin" / "python"


def say(line):
    sys.stderr.write(f"{line}\n")


def digest(*parts):
    return hashlib.sha256(chr(0).join(parts).encode()).hexdigest()


def is_marked(mark, wanted):
    return mark.exists() and mark.read_text() == wanted


def install_python():
    requirements, mark = PEERS / "requirements.txt", VENV / "installed"
    wanted = digest(sys.version, str(VENV), requirements.read_text())
    if is_marked(mark, wanted):
        return
    say("installing Python's peers into .peers/venv")
    if subprocess.call([sys.executable, "-m", "venv", "--clear", str(VENV)]) != 0:
        fail("Python's venv module does not work here: apt-get install python3-venv")
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    if subprocess.call([*pip, "--no-deps", "-r", str(requirements)]) != 0:
        fail("pip failed, see above")
    mark.write_text(wanted)


def check_socketify():
    """Its native library is in the wheel, for x86-64 alone; libuv, which that is linked to, is not."""
    done = subprocess.run([str(PYTHON), "-c", "import socketify"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        say(f"left out: uWebSockets, socketify does not load ({done.stderr.strip().splitlines()[-1]}); apt-get install libuv1 may help")


def compile_limit():
    source, binary = PEERS / "servers" / "send_limit.c", HOME / "send_limit"
    if binary.exists() and binary.stat().st_mtime >= source.stat().st_mtime:
        return
    compiler = shutil.which("cc")
    if not compiler:
        say("left out: the send() limit, no C compiler on PATH: apt-get install gcc libc6-dev")
        return
    say("compiling .peers/send_limit")
    HOME.mkdir(exist_ok=True)
    if subprocess.call([compiler, "-O2", "-o", str(binary), str(source)]) != 0:
        fail("cc failed, see above")


def install_node():
    """No package's own scripts are run: none is needed."""
    node = shutil.which("node")
    version = subprocess.check_output([node, "--version"], text=True).strip().lstrip("v") if node else "none"
    if not node or int(version.split(".")[0]) < NODE_MAJOR or not shutil.which("npm"):
        fail(f"npm and Node.js {NODE_MAJOR} or newer are needed for Node's peers, found {version}: install nodejs")
    mark = PEERS / "node_modules" / ".installed"
    wanted = digest((PEERS / "package-lock.json").read_text())
    if is_marked(mark, wanted):
        return
    say(f"npm ci in {PEERS.relative_to(ROOT)}{os.sep}")
    if subprocess.call(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], cwd=str(PEERS)) != 0:
        fail("npm ci failed, see above")
    mark.write_text(wanted)


def main():
    use_supported_python()
    install_python()
    check_socketify()
    compile_limit()
    install_node()


if __name__ == "__main__":
    main()
