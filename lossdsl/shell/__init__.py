"""The words of a command line -> losses, tables and files: what each command does, one room per group of commands."""

from lossdsl.shell.compare import compare as compare, format_files as format_files
from lossdsl.shell.evaluate import demo as demo, evaluate as evaluate
from lossdsl.shell.play import play as play
from lossdsl.shell.show import check as check, latex as latex, python as python, report as report
from lossdsl.shell.terminal import PLAIN as PLAIN, colour as colour, exits as exits
from lossdsl.shell.tools import lsp as lsp, schema as schema
from lossdsl.shell.words import explain as explain, names as names, ops as ops
