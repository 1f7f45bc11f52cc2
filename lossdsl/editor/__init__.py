"""A text in an editor -> what is wrong with it, what its words mean, what can be written: the language server."""

from lossdsl.editor.complete import complete as complete
from lossdsl.editor.cursor import Cursor as Cursor
from lossdsl.editor.diagnose import findings as findings
from lossdsl.editor.hover import hover as hover
from lossdsl.editor.passage import Passage as Passage
from lossdsl.editor.unit import Unit as Unit
