"""Texts, vocabularies and data that are refused: the code of the error, and the place that the text marks by «»."""

from lossdsl.operators import OPS
from tests.conformance.stored import VOCABULARY

# Codes that no text, vocabulary or data can cause: those of Python calls, files, histories and other packages.
ONLY_CALLS = """
    no-terms two-meanings unknown-label no-weight weight-count unknown-parameter weight-of-parameters unknown-vocabulary
    ensemble scale divide traced-scale two-values bad-argument add no-counterpart no-gradients not-installed feedbax-step
    no-target two-outputs feedbax-traced foreign-loss same-name feedbax-spec not-a-tree no-file not-a-text cannot-write cannot-draw bad-file bad-key term-shape file-kind bad-syntax
    key-twice anchor vocabulary-circle not-in-config no-losses not-stacked history-labels history-steps history-shape
    no-row bad-history history-version state-differs state-value undeclared bad-operator operator-shape operator-result
    no-leaves no-model path-raises not-held values-not-finite values-unknown not-regular too-big bad-config unused-parameter literal-range
    no-residuals negative-weight negative-factor too-long-for-sympy unknown-code cannot-rename no-data no-dt dt-not-fixed
    stream-late stream-delay stream-apart stream-whole stream-mask stream-ends stream-steps stream-object stream-no-time step-shape
    not-added trials-joined
""".split()  # noqa: SIM905

TEXTS = {
    "empty": ["«»", "«  # only a comment»", "«\n\n»"],
    "unknown-character": ["«'»cost'", "cost «×» 2", "cost «−» S", "cost «&» S", "«$»cost", "cost\n  + «!»S", "cost «%» 2"],
    "by-name": ["discount(cost, «2»)", "discount(1, «1», colour=2)*S", "discount(cost, «cost») + S"],
    "unused-definition": ["«unused» = S; cost", "a = S\n«b» = a\na", "«f»(x) = x; cost"],
    "matrix": ["dot(«Q», pos, axis=xy)"],
    "caret-power": ["cost «^» 2", "cost+S«^»2"],
    "missing-operator": ["«2 cost»", "«cost S»", "«2(»cost)", "cost as «sum(»x)", "2 ** «3 S»", "«1e»*cost", "«1..2»*cost", "«cost if» 2", "«S final»"],
    "missing-operand": ["cost + «*» S", "cost **«*» 2", "(«)»", "cost as «3»", "cost + («)»", "sum(cost, «,» S)", "«*» cost", "cost**«/»2"],
    "ends-early": ["cost +«»", "cost@«»", "cost as«»", "2*cost -«»", "-«»", "a = cost; a **«»"],
    "no-loss": ["a = 2«»", "a = cost\nb = 2*a«»"],
    "never-closed": ["final«(»cost", "cost«[»", "sum(cost, axis=«(»batch, time", "«(»cost + (S)"],
    "never-opened": ["final(cost)«)»", "cost«]»", "cost + S«)» + S"],
    "wrong-bracket": ["(cost«]»", "cost[1«)»", "sum(cost[1:«)»"],
    "misplaced": ["«=» 2", "cost «==» 2", "cost«,»S", "lambda«:» 3", "cost as «as»", "cost«:»2"],
    "statement-before-loss": ["«cost»\nS", "«cost»; S", "a = S\n«cost*a»\nS"],
    "bad-argument-name": ["f(«a.b») = 2; f(cost)", "f(«2») = 2; f(cost)", "f(x, «y=2») = x*y; f(cost)", "f(«x + 1») = x; f(cost)"],
    "not-whole": ["cost[«1.5»]", "cost[«0.5»:2]", "cost[1:«2.5»]"],
    "zero-stride": ["cost[«:»:0]"],
    "chained": ["violation(always(«1 < cost < S»))", "«cost > 1 > S»", "violation(«1 < cost <= 2 < S» and S < 1)"],
    "bad-within": ["violation(always(cost < 1, within=«0.5»))", "violation(until(cost < 1, S < 1, within=«-3»))", "violation(always(cost < 1, within=«lambda»))", "violation(always(cost < 1, within=«(-1, 2)»))"],
    "within-order": ["violation(always(cost < 1, within=«(3, 2)»))", "violation(always(cost < 1, within=«(0.3s, 0.2s)»))", "violation(«always(cost < 1, within=(0.3s, 1))»)"],
    "whole-window": ["cost«@..»", "S + cost«@..end»"],
    "no-unit": ["cost«@0.1..0.2»", "cost«@last 3»", "cost«@..5sec»"],
    "unknown-window": ["cost«@last»", "S*cost«@finl»", "cost«@cue»", "cost«@held..end»", "a = sum(cost«@hel»); a"],
    "time-left": ["cvar(«cost», 0.9)", "S + worst(«cost»)", "entropic(«tanh(cost)», 1)", "quantile(«cost», 0.5)"],
    "window-axes": ["«lambda»@held", "sum(«mean(cost, axis=batch)»@cue..end)"],
    "windows-differ": ["sum(«cost@held + cost»)", "sqnorm(«pos@held*cost@late»)", "a = cost@held; sum(«a*cost»)"],
    "steps-differ": ["sum(«cost@held*classes@held»)"],
    "window-twice": ["«cost@held@late»", "S + sum(«(cost@late + cost@late)@held»)"],
    "window-index": ["«(cost@held)[1:]»", "«(cost@held)[2]»*S"],
    "no-window": ["sum(«power_spectrum(cost@held)»)", "sum(«rename(cost@held, time=lag)», axis=lag)"],
    "no-steps": ["«cost[::2]»@held", "sum(«cost[-2:]»@late)", "«index(axis=time)»@held*cost"],
    "window-order": ["cost«@0.3s..0.1s»", "cost«@cue..cue»", "cost«@back»"],
    "label-inside": ["sqrt(«cost as x»)", "a = «cost as b»; a", "S*(«cost as x» + S)", "max(«cost as x»)", "f(x) = «x as y»; f(cost)"],
    "number-range": ["«1e999»*cost", "«1e-100000000»*cost", "cost + «1e400»*S"],
    "unknown-name": ["1.0*«costs» + S", "«effort»", "exp(«cst»)", "«final»", "«cost.x»", "«__class__»", "«x»[1:]", "S*«time»", "f(x) = x*«foo»; f(cost) + f(S)", "f(x) = x; f(«foo»)", "sum(cost, where=«vald»)", "a = «b»; a"],
    "unknown-operator": ["«foo»(cost)", "«finl»(cost)", "«cost»(3)", "S + «Sum»(cost)", "sqrt(«sqr»(cost))"],
    "unknown-option": ["huber(cost, «dleta»=2)", "sum(cost, «axes»=time)", "diff(cost, «order»=2)", "relu(cost, «where»=valid)", "tanh(cost, «axis»=time)"],
    "unknown-smooth": ["robustness(always(cost < 1), smooth=«hrad»)", "violation(always(cost < 1), smooth=«2»)"],
    "formula": ["S + «(cost < 1)»", "2*«(not S < 1)»", "mean(cost, where=«S < 1»)", "violation(always(«(cost < 1)»@held))", "p = always(cost < 1); exp(«p»)*S", "«(cost < 1)» < 2"],
    "no-formula": ["violation(«cost»)", "«cost» and S < 1", "not «S»", "violation(always(«cost + 1»))", "violation(until(cost < 1, «S»))"],
    "formula-term": ["«cost < 1»", "«always(cost < 1)» as safe", "p = cost < 1; «p»", "«cost < 1 or S < 1»"],
    "first-step": ["violation(«cost < 1»)", "p = cost < 1\nviolation(always(p) and «p»)", "robustness(not «cost > S»)"],
    "constant-formula": ["violation(always(cost < 1 and «3 < 1»))", "violation(«1 < 2»)"],
    "unknown-axis": ["sum(cost, axis=«3»)", "norm(pos, axis=«-1»)", "sum(cost, axis=«cost*2»)"],
    "not-a-value": ["huber(cost, delta=«(S, cost)»)", "sum(cost, where=«(valid, hold)»)"],
    "no-axis": ["«index()»", "cost + «length()»", "sum(«rename(pos)»)"],
    "axis-there": ["expand(cost, axis=«batch»)", "sum(rename(«pos», batch=xy))", "S*expand(S + S, axis=«batch»)"],
    "one-axis": ["final(pos, axis=(«batch», xy))"],
    "no-length": ["gather(pos, cost, axis=xy) + «index(axis=time)»"],
    "argument-twice": ["f(x, «x») = x; f(cost, 1)", "f(x) = x; f(cost, «x»=S)", "mean(cost, axis=time, «axis=batch»)", "huber(cost, 1, «delta=2»)", "sum(cost, where=valid, «where=hold»)"],
    "option-first": ["huber(delta=1, «cost»)", "sum(axis=time, «cost»)", "f(x, y) = x*y; f(x=S, «cost»)"],
    "argument-count": ["«huber()»", "«clip(cost)»", "«final(cost, 2)»", "S + «final()»", "«where(cost, S)»", "«linear(1)»*cost", "«piecewise(1, 2)»*cost", "f(x) = x; «f(cost, 2)»", "f(x, y) = x*y; «f(y=cost)»", "f(x) = x; 2*«f()»"],
    "defined-twice": ["b = 1; «b» = 2; b*cost", "a = S\n«a» = cost\na"],
    "hides-name": ["«cost» = 3; cost", "«alpha» = 3; alpha*S", "«penalty» = S; penalty", "«step» = 3; step*S"],
    "hides-operator": ["«sum»(x) = x; cost", "«huber»(x, y) = x*y; huber(cost, 2)"],
    "no-arguments": ["«f»() = cost; f()", "«f»() = cost; f"],
    "argument-hides": ["f(«sum») = sum; f(cost)", "f(«step») = step*cost; f(1)", "f(x, «cost») = x*cost; f(S, 1)", "d = 2; f(«d») = d*cost; f(d)", "f(«f») = f; f(cost)"],
    "unused-argument": ["f(x, «y») = x; f(cost, 1)", "f(«axis») = sum(cost, axis=axis); f(time)"],
    "unknown-argument": ["f(x) = x; f(«y»=cost)", "f(x) = sum(x); f(cost, «axis»=batch)"],
    "not-called": ["d = cost; «d»(2)", "f(g) = «g»(cost); f(S)"],
    "needs-arguments": ["f(x) = x; «f»", "f(x) = x; f(«f»)", "f(x) = x; d = 2*«f»; d*f(cost)"],
    "too-long-written-out": ["; ".join(["f0(x) = x + x", *(f"f{i}(x) = f{i - 1}(x + x)" for i in range(1, 40)), "«f39(cost)»"])],
    "circular": ["a = b; b = «a»; a", "a = «a» + 1\na*cost", "a = b; b = c; c = S + «a»; a", "f(x) = «f»(x); f(cost)", "f(x) = g(x); g(x) = «f»(x + 1); f(cost)", "f(x) = x*a; a = «f»(2); a*cost"],
    "same-label": ["cost as a + «S» as a", "cost as S + «S»"],
    "axes-differ": ["«pos*sheet»", "sum(«cost*aim», axis=xy)", "S + «S*lambda»", "tanh(«S + lambda»)", "where(«greater(S, lambda)», cost, 1)", "f(x) = «x*lambda»; f(S)", "sqnorm(«pos + sheet»)", "«dot(pos, body.plane)»"],
    "missing-axis": ["sum(cost, axis=«xy»)", "sum(«sum(cost)»)", "final(«S»)", "«S»[1:]", "«S»@final", "mean(cost, axis=(batch, «xy»))", "norm(pos, axis=«col»)", "cumsum(«S»)", "diff(«aim»)"],
    "axis-left": ["«pos»", "2*«pos@-1»", "cost + «aim»", "«softmax(pos)»", "a = pos; «a»", "«sqnorm(sheet, axis=xy)»"],
    "not-vector": ["sqnorm(«cost»)", "norm(«S»)", "softmax(«lambda»)", "dot(«cost», cost)", "f(x) = norm(«x»); f(cost)", "f(x) = 2*norm(«cost»)*x; f(1) + f(2)", "quadratic_form(«cost», 2)"],
    "which-axis": ["norm(«sheet»)", "softmax(«sheet»)", "quadratic_form(«sheet», Q)", "logsumexp(«sheet»)"],
    "mask-axes": ["«sum(cost, where=pos)»", "«mean(S, where=valid, axis=batch)»", "S + «sum(lambda, where=cost)»"],
    "not-matrix": ["«quadratic_form(pos, sheet)»", "«quadratic_form(body.plane, Q)»"],
    "not-a-count": ["diff(cost, «0»)", "diff(cost, «1.5»)", "diff(cost, n=«S»)", "diff(cost, «alpha»)"],
    "no-quantity": ["«3»", "«alpha»", "«step»", "a = 2; «a»"],
    "not-scalar": ["discount(cost, exponent=«cost»)", "discount(cost, exponent=«S»)", "linear(1, «S», 10)*cost", "linear(1, 2, 10, at=«cost»)*S"],
    "tree": ["«net»", "sqnorm(net) + 2*«net»", "tanh(«net»)", "max(«net»)", "dot(pos, «net»)", "quadratic_form(pos, «net»)"],
    "not-finite": ["«cost/0»", "cost*«(1 - 1)**-1»", "«(-2)**0.5»*cost", "«0**-1»*S", "«log(0)»*S", "S*«sqrt(-1)»"],
    "too-large": ["«9**9**9»*cost", "cost + «9**9**9»"],
    "out-of-domain": ["huber(cost, delta=«0»)", "huber(cost, «-1»)", "smooth_abs(cost, eps=«0»)", "clip(cost, 2, «1»)", "linear(1, 2, «0»)*cost", "cosine(1, 2, «-3»)*cost", "exponential(1, «0», 10)*cost", "piecewise(0, 2, 1, «2», 3)*cost", "warmup(1, «0»)*cost", "cyclic(0, 1, «0»)*cost", "cyclic(0, 1, 5, ratio=«2»)*cost", "d = 0; huber(cost, delta=«d»)", "f(d) = huber(cost, delta=«d»); f(0)"],
}  # fmt: skip
LONG = [
    ("too-long", [["x", 2**20]]),
    ("too-deep", [["(", 5000], ["cost", 1], [")", 5000]]),
    ("too-deep", [["-", 5000], ["cost", 1]]),
    ("too-deep", [["cost", 1], ["[1:]", 500]]),
    ("too-deep", [["tanh(", 200], ["cost", 1], [")", 200]]),
]
MAPPINGS = [
    ("not-text", None),
    ("not-text", 3),
    ("not-text", {"a": 3}),
    ("empty", {}),
    ("bad-label", {"a b": "cost"}),
    ("bad-label", {"": "cost"}),
    ("missing-key", {"a": {"weight": 2}}),
    ("unknown-key", {"a": {"expr": "cost", "wieght": 2}}),
    ("bad-weight", {"a": {"expr": "cost", "weight": [1]}}),
    ("weight-not-number", {"a": {"weight": "cost", "expr": "S"}}),
]
ROWS = (
    [
        ("bad-path", {"quantities": {"x": {"path": path, "axes": "batch"}}})
        for path in ("states.__class__", "somewhere.pos", "states.a-b", "states.pos[0]", "states.pos[..., ::2]")
    ]
    + [
        ("bad-axes", {"quantities": {"x": {"path": "states.x", "axes": axes}}})
        for axes in (
            "batch, time",
            "batch batch",
            "time xy time",
            "xy xy xy",
            "Batch time",
            "trial time",
            "batch times",
        )
    ]
    + [
        ("reserved-name", {"parameters": {"step": 1}}),
        ("reserved-name", {"parameters": {"as": 1}}),
        ("reserved-name", {"parameters": {"cost": 1}}),
        ("reserved-name", {"terms": {"a b": "cost"}}),
        ("bad-row", {"quantities": {"x": "states.x"}}),
        ("bad-row", {"terms": {"x": 3}}),
        ("bad-weight", {"parameters": {"x": "fast"}}),
        ("bad-weight", {"parameters": {"x": "nan"}}),
        ("bad-weight", {"parameters": {"x": None}}),
        ("unknown-key", {"quantities": {"x": {"path": "states.x", "axes": "batch", "shape": "batch"}}}),
        ("missing-key", {"quantities": {"x": {"path": "states.x"}}}),
        ("bad-symbol", {"quantities": {"x": {"path": "states.x", "axes": "batch", "latex": r"\href{a}{x}"}}}),
        ("bad-value", {"quantities": {"x": {"path": "states.x", "axes": "batch", "unit": 3}}}),
        ("window-row", {"dt": -1}),
        ("window-row", {"events": {"cue": 3}}),
        ("window-row", {"trials_begin": 2}),
        ("window-row", {"length": "cost"}),
        ("window-row", {"length": "S", "valid": "valid"}),
        ("no-unit", {"epochs": {"wide": "cue..0.1"}}),
        ("bad-bound", {"epochs": {"wide": "cue..-x"}}),
        ("reserved-name", {"epochs": {"final": "valid"}}),
        ("reserved-name", {"events": {"end": "use"}}),
    ]
)
# Data: the arrays that are other than in `distinct`, by path: a shape of ones, a value, or null for one that is not there.
DATA = [
    ("missing-path", "cost", {"states.cost": "missing"}),
    ("missing-path", "sqnorm(net)", {"model": {}}),
    ("no-root", "cost", {"states": None}),
    ("no-root", "sqnorm(net)", {"model": None}),
    ("no-array", "cost", {"states.cost": None}),
    ("no-array", "S", {"states.S": "abc"}),
    ("rank", "cost", {"states.cost": [3]}),
    ("rank", "S", {"states.S": [3, 4]}),
    ("rank", "penalty", {"states.pos": [2, 3, 4, 2]}),
    ("not-one", "hold", {"trial_specs.hold": [3, 2, 4]}),
    ("no-components", "body.height", {"states.body": [3, 4, 2]}),
    ("no-components", "sqnorm(body.plane)", {"states.body": [3, 4, 1]}),
    ("not-square", "quadratic_form(pos, Q)", {"trial_specs.Q": [2, 3]}),
    ("no-trials", "cost", {"states.cost": [0, 4]}),
    ("no-trials", "S", {"states.S": [0]}),
    ("axis-length", "cost + S", {"states.S": [4]}),
    ("axis-length", "sqnorm(pos) + quadratic_form(pos, aim)", {"trial_specs.aim": [3]}),
    ("which-length", "sum(cost)*sum(body.height)/«length(axis=time)»", {"states.cost": [3, 6]}),
    ("lengths-differ", "«cost*body.height»", {"states.cost": [3, 6]}),
    ("lengths-differ", "S + tanh(«cost - long»)", {}),
    ("lengths-differ", "a = «cost*long»; S + a", {}),
    ("out-of-range", "«cost»[7]", {}),
    ("out-of-range", "«cost»@-5", {}),
    ("mask-short", "cost@held", {"trial_specs.valid": [3, 2]}),
    ("beyond-end", "violation(always(«cost < 1», within=4))", {}),
    ("beyond-end", "p = eventually(cost < 1, within=2); violation(always(«p or S < 1», within=2))", {}),
    ("beyond-end", "robustness(until(«cost < 1», S > 1, within=(0.1s, 0.5s)))", {}),
    ("empty-window", "«cost»[9:]", {}),
    ("empty-window", "«cost»@2:2", {}),
    ("empty-window", "final(«cost»)", {"states.cost": [3, 0]}),
    ("empty-window", "max(«cost»)", {"states.cost": [3, 0]}),
    ("empty-window", "diff(«cost», n=4)", {}),
    ("empty-window", "cumsum(«cost»)", {"states.cost": [3, 0]}),
]


def errors():
    cases = [_marked(code, text) for code, texts in TEXTS.items() for text in texts]
    cases += [{"text": text, "code": code} for code, text in [*LONG, *MAPPINGS]]
    cases += [{"text": "cost", "code": code, "vocabulary": rows} for code, rows in ROWS]
    cases += [_marked(code, text) | {"data": "distinct", "changes": changes} for code, text, changes in DATA]
    term = "q = 1; 2*q"
    cases += [
        {
            "text": "mine",
            "code": "let-inside",
            "start": 0,
            "end": 1,
            "of": term,
            "vocabulary": {"terms": {"mine": term}},
        }
    ]
    term = "2*csot"
    cases += [
        {
            "text": "S*mine",
            "code": "unknown-name",
            "start": 2,
            "end": 6,
            "of": term,
            "vocabulary": {"terms": {"mine": term}},
        }
    ]
    cases += [{"text": "step*S", "data": "distinct", "step": None, "code": "no-step"}]
    cases += [{"text": "step*S", "data": "distinct", "step": step, "code": "bad-step"} for step in ("3", "nan")]
    return list({str(case): case for case in [*cases, *_derived()]}.values())


def _derived():
    """A slip for each operator and each name of the vocabulary."""
    for name, op in OPS.items():
        if not op.is_called:
            continue
        yield _marked("argument-count" if op.required or op.repeats else "no-axis", f"S + «{name}()»")
        yield _marked("unknown-operator", f"S - 2*«{name}q»(cost)")
        yield _marked("unknown-name", f"«{name}»*cost")
        arguments = "".join(f"{n}=1, " if n in op.named else "1, " for n, d in op.defaults.items() if d is None)
        if not op.repeats:
            slip = ("unknown-axis", "colour=«2»") if op.renames else ("unknown-option", "«colour»=2")
            yield _marked(slip[0], f"{name}({arguments}{slip[1]})*S")
            if not set(op.named) & set(op.required):
                most = ", ".join(["cost"] * (len(op.defaults) - len(op.named) + 1))
                yield _marked("argument-count", f"«{name}({most})» + S")
        if op.axis:
            yield _marked("argument-twice", f"{name}({arguments}axis=xy, «axis=xy»)")
            yield _marked("unknown-axis", f"{name}({arguments}axis=«1»)")
    for name in [*VOCABULARY["quantities"], *VOCABULARY["terms"], *VOCABULARY["parameters"]]:
        yield _marked("unknown-name", f"tanh(2*«{name}_x») - cost")
        yield _marked("hides-name", f"a = 2; «{name}» = a; S")
        yield _marked("never-closed", f"S + tanh«(»{name}")


def _marked(code, marked):
    """A text without its marks, and where they stood: offsets in characters."""
    text = marked.replace("«", "").replace("»", "")
    if "«" not in marked:
        return {"text": text, "code": code}
    return {"text": text, "code": code, "start": marked.index("«"), "end": marked.index("»") - 1}
