"""A stand-in for a worker: says it is ready, obeys signals, dies when told to.

`python child.py FOLDER NUMBER MODE`. Each start and each signal is a line in FOLDER/NUMBER.
SIGUSR1: it dies with exit code 3. Modes: `good`; `refuse` ends with 2 at once; `fail:N` ends
with 1 the first N times; `stubborn` ignores SIGTERM and SIGINT; `silent` is never ready.
"""

import os
import signal
import sys
from pathlib import Path
from types import FrameType


def main(folder: str, number: str, mode: str) -> None:
    diary = Path(folder) / number

    def note(line: str) -> None:
        with diary.open("a") as file:
            file.write(f"{line}\n")

    def obey(caught: int, _frame: FrameType | None) -> None:
        note(signal.Signals(caught).name)
        if mode != "stubborn":
            sys.exit(0)

    def die(_caught: int, _frame: FrameType | None) -> None:
        os._exit(3)

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, obey)
    signal.signal(signal.SIGUSR1, die)
    note("start")
    if mode == "refuse":
        sys.exit(2)
    if mode.startswith("fail:") and diary.read_text().count("start") <= int(mode.partition(":")[2]):
        sys.exit(1)
    if mode != "silent":
        sys.stdout.write("something else\n")
        sys.stdout.write(f"Commonroom is ready: http://127.0.0.1:8000/{os.environ.get('CHILD', '')}\n")
        sys.stdout.flush()
    while True:
        signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
