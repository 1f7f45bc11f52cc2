"""`python -m tests.fuzz KIND --seed S --count N`: each input has a number, so `--seed NUMBER --count 1` repeats one."""

import argparse
import tempfile
import traceback
from pathlib import Path

from tests.fuzz.kinds import KINDS, run

parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
parser.add_argument("kind", choices=KINDS)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--count", type=int, default=10_000)
given = parser.parse_args()
with tempfile.TemporaryDirectory() as folder:
    taken, failed = run(given.kind, given.seed, given.count, Path(folder))
for number, failure in failed[:20]:
    print(f"--seed {number} --count 1: {''.join(traceback.format_exception(failure)[-2:])}")
print(f"{given.kind}: {given.count} inputs, {taken} taken, {len(failed)} failed")
raise SystemExit(bool(failed))
