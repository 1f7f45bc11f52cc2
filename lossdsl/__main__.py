"""`python -m lossdsl`."""

from lossdsl.cli import main

main()
