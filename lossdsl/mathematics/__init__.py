"""`Term`s -> LaTeX, documents and pictures; rows -> tables. What needs SymPy is imported where it is used."""

from lossdsl.mathematics.notebook import html_table as html_table
from lossdsl.mathematics.table import aligned as aligned
