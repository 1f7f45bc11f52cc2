"""A process that imports lossdsl against one that imports JAX and Equinox, which every user has imported anyway."""

import subprocess
import sys

from paired import paired, table

PAIRS = 15
LIMIT = 1.35
HEAVY = ["sympy", "optax", "lark", "typer", "rich", "matplotlib"]


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def main() -> None:
    ours, base, ratio = paired(lambda: run("import lossdsl"), lambda: run("import jax, equinox"), PAIRS)
    row = (f"{ours:.2f}", f"{base:.2f}", f"{ratio:.3f}", f"{LIMIT:.2f}")
    print(table(["lossdsl [s]", "jax, equinox [s]", "ratio", "limit"], [row]))
    loaded = run(f"import sys, lossdsl; print(*(name for name in {HEAVY} if name in sys.modules))").strip()
    print(f"\nof {', '.join(HEAVY)} it loads: {loaded or 'none'}")


if __name__ == "__main__":
    main()
