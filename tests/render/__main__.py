"""Write formulas for the renderers: JSON for KaTeX to the output, or with a folder documents for LaTeX into it."""

import json
import sys
from pathlib import Path

from lossdsl.mathematics.picture import document
from tests.render.formulas import fixed, formulas, generated

if len(sys.argv) > 1:
    for i, loss in enumerate([*fixed(), *generated(10)]):
        for name, how in {"names": {}, "expanded": {"expand": True}, "where": {"expand": True, "where": True}}.items():
            latex = loss.latex(form="aligned" if name == "where" else "line", **how)
            Path(sys.argv[1], f"{i:02}-{name}.tex").write_text(document(latex), encoding="utf-8")
else:
    print(json.dumps([text for loss in [*fixed(), *generated(600)] for text in formulas(loss)]))
