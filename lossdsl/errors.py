"""What can go wrong in a loss: the exceptions, and all their wording."""

from collections.abc import Sequence
from typing import Any, Self

from lossdsl.place import Span as Span, caret, clip as clip, visible as visible
from lossdsl.wording import described as described, did_you_mean as did_you_mean, listed as listed

# What a hint says may list names, each of them short.
_LONGEST = {"advice": 400}


class LossError(ValueError):
    """Something in a loss, its data or its weights that the user can mend.

    Attributes:
        code: The row of `MESSAGES`, such as `"unknown-name"`.
        message: What is wrong.
        span: The place in the text, or None where there is no text.
        hint: What to do.
        term: The label of the term that it is about, or None.
        place: Where it stands in a file: `reach.yaml:7: loss.goal`, or None.
        others: What else is wrong in the same loss, independently of this.
    """

    def __init__(self, code: str, span: Span | None = None, term: str | None = None, **fields: Any):
        super().__init__(code, span, term, fields)
        self.code = code
        self.span = span
        self.term = term
        self.place: str | None = None
        self.others: tuple[LossError, ...] = ()
        self.fields = fields

    def __reduce__(self) -> Any:
        return _rebuild, (type(self), (self.code, self.span, self.term), self.place, self.others, self.fields)

    @property
    def errors(self) -> tuple["LossError", ...]:
        """All that is wrong, this first."""
        return (self, *self.others)

    def in_term(self, label: str) -> Self:
        """The error, which says that it is about that term."""
        for failure in self.errors:
            failure.term = failure.term or label
        return self

    @property
    def message(self) -> str:
        message = MESSAGES[self.code][1].format_map(self.fields)
        if self.span and self.span.within:
            message += f", in {called(self.span.calls)}"
        return f"{message}, in the term `{clip(self.term)}`" if self.term and not self.place else message

    @property
    def hint(self) -> str:
        return MESSAGES[self.code][2].format_map(self.fields)

    def __repr__(self) -> str:
        # Hydra shows only this of what went wrong in a call.
        return f"{type(self).__name__}: {self}"

    @property
    def own(self) -> str:
        """What it says, without the others."""
        first = f"{self.place}: {self.message}" if self.place else self.message
        return "\n".join([first, *([caret(self.span)] if self.span else []), self.hint])

    def __str__(self) -> str:
        return "\n\n".join([self.own, *map(str, self.others)])


class LossSyntaxError(LossError):
    """The text is not a sentence of the language."""


class LossNameError(LossError):
    """A name, an operator or an option that is not there, or means two things."""


class LossAxesError(LossError):
    """Axes that do not fit, or that are left over."""


class LossValueError(LossError):
    """A number that cannot be used: a weight, a parameter, an exponent."""


class LossDataError(LossError):
    """Arrays that are not what the vocabulary says: missing, of another rank or length."""


# code: (class, message, hint). A message says what is wrong and stands alone; a hint says what to do.
MESSAGES: dict[str, tuple[type[LossError], str, str]] = {
    # the text
    "empty": (LossSyntaxError, "the loss is empty", "write a loss such as `1.0*position + final(velocity)`"),
    "not-text": (LossSyntaxError, "a loss cannot be made from {got}", "give a text, or a mapping from label to text; in YAML and on a command line it may need quotes"),
    "too-long": (LossSyntaxError, "the text has {size:,} characters, the limit is {limit:,}", "split it into several losses"),
    "too-deep": (LossSyntaxError, "the expression is nested more than {limit} levels deep", "name its parts: `part = ...; part + ...`"),
    "unknown-character": (LossSyntaxError, "{character} is not part of the language", "{advice}"),
    "caret-power": (LossSyntaxError, "`^` is not an operator", "write `**` for a power"),
    "missing-operator": (LossSyntaxError, "there is no operator between `{left}` and `{right}`", "{advice}"),
    "missing-operand": (LossSyntaxError, "a value is missing before `{found}`", "{advice}"),
    "ends-early": (LossSyntaxError, "the text ends where a value should follow", "add what comes after `{last}`, or take it away"),
    "no-loss": (LossSyntaxError, "there are definitions, but no loss after them", "{advice}"),
    "never-closed": (LossSyntaxError, "`{bracket}` is never closed", "add the `{partner}`"),
    "never-opened": (LossSyntaxError, "`{bracket}` closes nothing", "take it away, or add the `{partner}` before it"),
    "wrong-bracket": (LossSyntaxError, "`{bracket}` closes `{opened}`", "write `{partner}` here"),
    "misplaced": (LossSyntaxError, "`{found}` cannot stand here", "{advice}"),
    "statement-before-loss": (LossSyntaxError, "only definitions may stand before the loss", "write `name = ...` here, or join the lines with `+`"),
    "bad-argument-name": (LossSyntaxError, "an argument of the definition `{function}` is a name, not `{found}`", "write names of letters, digits and `_`, as in `{function}(x, y) = ...`; what they are is given where it is called"),
    "not-whole": (LossSyntaxError, "an index is a whole number, not `{found}`", "write for example `[-1]` or `[10:50]`"),
    "zero-stride": (LossSyntaxError, "the stride of a slice cannot be 0", "write for example `[::2]`"),
    "whole-window": (LossSyntaxError, "the window `{found}` is all of time", "leave `@{found}` away, or say where it begins or ends: `@go..end`, `@..0.5s`"),
    "no-unit": (LossSyntaxError, "`{found}` has no unit that is known", "write seconds or milliseconds, as in `{number}s` or `{number}ms`; steps by their index stand with a colon, as in `@10:50`"),
    "bad-bound": (LossSyntaxError, "a window cannot begin or end at `{found}`", "write an event, one with a duration such as `go+0.1s`, or a duration"),
    "chained": (LossSyntaxError, "the comparison `{found}` is chained", "write `{apart}`"),
    "bad-within": (LossSyntaxError, "`within=` cannot be `{found}`", "write how far ahead to look, in whole steps or in seconds, from 0 on: `within=50`, `within=0.5s`, `within=(0.1s, 0.5s)`"),
    "within-order": (LossSyntaxError, "`within={found}` ends before it begins", "write `within=({turned})`"),
    "bad-label": (LossSyntaxError, "{found} is not a name that a term can have", "a name is made of letters, digits and `_`, with dots between: `final_velocity`"),
    "label-inside": (LossSyntaxError, "`as` names a whole term, it cannot stand inside `{operator}`", "put it after the term: `{operator} as {name}`"),
    "let-inside": (LossSyntaxError, "a term of the vocabulary has no definitions of its own, here `{name}`", "make it a row of `terms` itself"),
    "number-range": (LossSyntaxError, "`{found}` is out of the range of a float64", "write a number between 1e-307 and 1e308, or 0"),
    # names
    "unknown-name": (LossNameError, "there is no name `{name}`", "{advice}"),
    "unknown-window": (LossNameError, "there is no {kind} `{found}`", "{advice}"),
    "unknown-operator": (LossNameError, "there is no operator `{name}`", "{advice}"),
    "undeclared": (LossNameError, "the operator `{name}` is not declared here", "import the module that declares it before the loss is loaded"),
    "unknown-option": (LossNameError, "`{operator}` has no option `{option}`", "{advice}"),
    "unknown-smooth": (LossNameError, "there is no smoothing `{found}`", "{advice}"),
    "unknown-axis": (LossNameError, "an axis is a name, not `{found}`", "write for example `axis=time`"),
    "not-a-value": (LossSyntaxError, "`{found}` is not a value", "{advice}"),
    "argument-twice": (LossNameError, "`{option}` of `{operator}` is given twice", "keep one of the two"),
    "option-first": (LossNameError, "an argument of `{operator}` follows one given by name", "{advice}put what is given by name, such as `axis=time`, last"),
    "by-name": (LossNameError, "`{operator}` takes its `{option}` by name only", "{advice}"),
    "argument-count": (LossNameError, "`{operator}` takes {expected}, not {given}", "{advice}"),
    "defined-twice": (LossNameError, "`{name}` is defined twice", "give the second another name"),
    "unused-definition": (LossNameError, "no term uses the definition `{name}`", "{advice}"),
    "unused-parameter": (LossNameError, "no term uses the parameter `{name}`", "{advice}"),
    "hides-name": (LossNameError, "the definition hides `{name}` of the vocabulary", "give it another name"),
    "hides-operator": (LossNameError, "the definition hides the operator `{name}`", "give it another name"),
    "no-arguments": (LossNameError, "the definition `{name}` has parentheses, but no arguments", "write `{name} = ...`, and `{name}` where it is used"),
    "argument-hides": (LossNameError, "the argument `{name}` of `{function}` hides {what}", "give it another name"),
    "unused-argument": (LossNameError, "the definition `{function}` does not use its argument `{name}`", "{advice}"),
    "unknown-argument": (LossNameError, "`{function}` has no argument `{argument}`", "{advice}"),
    "not-called": (LossNameError, "{what} is not a definition with arguments", "{advice}"),
    "needs-arguments": (LossNameError, "`{name}` is a definition with arguments", "write `{call}`"),
    "circular": (LossNameError, "`{name}` is defined by itself: {chain}", "take it out of its own definition"),
    "same-label": (LossNameError, "two terms are labelled `{label}`: `{first}` and `{second}`", "name one of them: `... as {label}_2`"),
    "no-terms": (LossNameError, "no term would be left", "a loss has at least one term"),
    "two-meanings": (LossNameError, "`{name}` is defined differently in the two losses", "{advice}"),
    "unknown-label": (LossNameError, "the loss has no term `{name}`", "{advice}"),
    "no-weight": (LossNameError, "there is no weight for the term `{label}`", "give one for every term, or leave `weights` out"),
    "weight-count": (LossNameError, "there are {weights} weights for {terms} terms", "give them by label, in a mapping"),
    "unknown-parameter": (LossNameError, "the loss has no parameter `{name}`", "{advice}"),
    "weight-not-number": (LossNameError, "the weight of `{label}` has the quantity `{found}` in it", "move it into `expr`; a weight is made of numbers, parameters and `step`"),
    "weight-of-parameters": (LossNameError, "the weight of `{label}` is `{weight}`", "{advice}"),
    "bad-path": (LossNameError, "the path `{path}` of `{name}` {reason}", "write for example `states.mechanics.effector.pos`"),
    "bad-axes": (LossNameError, "`{axes}` are not the axes of a quantity: {reason}", "write their names with spaces between, as `batch time xy`, or `pytree`"),
    "reserved-name": (LossNameError, "the vocabulary cannot give `{name}` a meaning: {reason}", "choose another name"),
    "unknown-key": (LossNameError, "there is no key `{key}` in {where}", "{advice}"),
    "missing-key": (LossNameError, "the key `{key}` is missing in {where}", "add it; there now: {keys}"),
    "unknown-vocabulary": (LossNameError, "there is no vocabulary `{name}`", "{advice}"),
    "bad-row": (LossNameError, "`{name}` of the vocabulary is {got}", "{advice}"),
    # axes
    "axes-differ": (LossAxesError, "the axes of `{left}` and `{right}` do not fit: {left_axes} and {right_axes}", "{advice}"),
    "missing-axis": (LossAxesError, "`{operand}` has no axis `{axis}`: its axes are {axes}", "{advice}"),
    "axis-left": (LossAxesError, "{axes} left over: a term is summed over `time` and averaged over `batch`", "reduce {them}, as in `sqnorm({vector})` or `sum({body}, axis={axis})`"),
    "not-vector": (LossAxesError, "`{operand}` is not a vector: its axes are {axes}", "{advice}"),
    "which-axis": (LossAxesError, "`{operand}` has {number} axes to work along: {choices}", "{advice}"),
    "one-axis": (LossAxesError, "`{operator}` works along one axis, not {number}", "choose one, as in `axis={axis}`"),
    "no-axis": (LossAxesError, "`{operator}` is given no axis", "say which, as in `{example}`"),
    "axis-there": (LossAxesError, "`{operand}` has the axis `{axis}` already: its axes are {axes}", "{advice}"),
    "no-length": (LossAxesError, "nothing says how long the axis `{axis}` of `{operand}` is", "let it stand beside a value that has this axis, as in `{operand}*x`, or say which: `like=x`"),
    "which-length": (LossDataError, "`{found}` could be {first_length} or {second_length}: `{first}` is {first_shape}, `{second}` is {second_shape}", "say of which, as in `length(axis={axis}, like={first})`"),
    "time-left": (LossAxesError, "`{operator}` takes one value of each trial, and `{operand}` has `time`: {axes}", "reduce `time` first, as in `{example}`, or say `axis=batch` for the trials at each step"),
    "window-axes": (LossAxesError, "the window has the axis `{axis}`, which `{operand}` has not: its axes are {axes}", "give it that axis first: `expand({operand}, axis={axis})`"),
    "windows-differ": (LossAxesError, "`{left}` and `{right}` have different windows of time", "{advice}"),
    "steps-differ": (LossAxesError, "`{left}` begins at the step {first}, and `{right}` at the step {second}", "states begin with the initial one: write `[1:]` behind the states; where trials begin with them, say `trials_begin=0` in the vocabulary"),
    "window-twice": (LossAxesError, "`{found}` has a window in a window", "write one, as the row of an epoch if need be"),
    "window-index": (LossAxesError, "`{found}` takes steps of a window", "slice before the window, as in `x[1:]@hold`; of a window the first and the last step are picked, `[0]` and `[-1]`"),
    "no-window": (LossAxesError, "`{operator}` has no mask, and so no window along `time`", "put the window, or the end of trials, where `time` is reduced"),
    "no-steps": (LossAxesError, "the steps of `{operand}` have no numbers, so it has no window", "put the window behind what lies in `states` or `trial_specs`, before it is cut or combined"),
    "mask-axes": (LossAxesError, "the mask `{right}` has the axis `{axis}`, which `{left}` has not: {right_axes} and {left_axes}", "reduce the mask, as in `max({right}, axis={axis})`"),
    "not-matrix": (LossAxesError, "`{right}` is not a square matrix over the axis `{axis}` of `{left}`: its axes are {right_axes}", "declare it with that axis twice: `Quantity(path, \"{axis} {axis}\")`"),
    "matrix": (LossAxesError, "`{operand}` is a square matrix: its axes are {axes}", "write `matvec(Q, x)` for its product with a vector, `quadratic_form(x, Q)` for that with a vector on each side"),
    "not-a-count": (LossAxesError, "`{operand}` is not a whole number from 1 on", "write the number itself, as in `{operator}(x, 2)`"),
    "formula": (LossAxesError, "`{found}` is a formula, and `{operator}` needs a number", "{advice}"),
    "no-formula": (LossAxesError, "`{found}` is a number, and `{operator}` needs a formula", "compare it, as in `{found} < 1`"),
    "formula-term": (LossAxesError, "`{found}` is a formula, and a term is a number", "write `violation({formula})`, which is 0 where it holds, or `robustness({formula})` for its signed number"),
    "first-step": (LossAxesError, "`{operator}` is of the first step alone, and `{found}` differs from step to step", "write `always({found})` for all steps, `eventually({found})` for one of them"),
    "constant-formula": (LossAxesError, "`{found}` compares numbers, which no trial changes", "compare a quantity such as `velocity`"),
    "no-quantity": (LossAxesError, "`{found}` is a number, not a loss", "multiply it by a quantity such as `position`, or take it away"),
    "not-scalar": (LossAxesError, "`{operand}` has the axes {axes}, a number is needed here", "write a number or a parameter"),
    "tree": (LossAxesError, "`{operand}` is a PyTree", "write `sqnorm({operand})`, the sum of squares over its arrays"),
    # step by step
    "stream-late": (LossAxesError, "`{found}` cannot be streamed: `{late}` is known at {ready} only, and every step of `{early}` needs it", "reduce `{early}` over `time` before they meet, or call the loss on whole trajectories"),
    "stream-delay": (LossAxesError, "`{found}` cannot be streamed: `{early}` would have to be kept for {steps} steps, and the limit is {limit}", "allow it, `stream(..., delay={steps})`, or call the loss on whole trajectories"),
    "stream-apart": (LossAxesError, "`{found}` cannot be streamed: how far the steps of `{left}` and `{right}` lie apart grows with the number of steps", "call the loss on whole trajectories, `loss(states, trial_specs)`"),
    "stream-whole": (LossAxesError, "`{found}` cannot be streamed: it needs all steps at once", "call the loss on whole trajectories, `loss(states, trial_specs)`"),
    "stream-mask": (LossAxesError, "a mask or window that is made of states cannot be streamed here: which steps count is known too late", "make it of the trials, or call the loss on whole trajectories, `loss(states, trial_specs)`"),
    "stream-ends": (LossAxesError, "`{found}` cannot be streamed: which steps a slice takes of a trial that ends early is known when it has ended", "take them by a mask or window that is made of the trials, or call the loss on whole trajectories, `loss(states, trial_specs)`"),
    "stream-steps": (LossAxesError, "`{found}` cannot be streamed without the number of steps", "say how many states there will be, the initial one among them: `stream(..., steps=100)`"),
    "step-shape": (LossDataError, "the states of this step are of another shape than those before: {found} where it was {known}", "give the same trials at each step"),
    "stream-object": (LossAxesError, "the Python term `{name}` cannot be streamed: it sees whole trajectories", "write it in the language, or leave it out: `loss.without({name!r})`"),
    "stream-no-time": (LossAxesError, "`{name}` cannot be streamed: it lies in the states and has no `time`", "give it in `trial_specs` or in the model, and say so in its path"),
    "trials-joined": (LossAxesError, "`{found}` cannot be computed in parts of a batch: {reason}", "{advice}"),
    "not-added": (LossAxesError, "`{found}` cannot be added up step by step: it needs more than a step and a few before it", "carry what it needs from step to step, with `loss.stream`, or call the loss on whole trajectories"),
    # numbers
    "not-finite": (LossValueError, "the weight of a term is `{weight}`, which is not a finite real number", "check the divisions and powers in it"),
    "too-large": (LossValueError, "`{found}` is too large or too small to compute exactly", "write the number itself"),
    "too-long-written-out": (LossValueError, "{found} is too long, written out: it would have more than {limit:,} names and numbers", "define the parts that repeat without arguments, `part = ...`"),
    "too-long-for-sympy": (LossValueError, "{found} is too long for SymPy, where each definition is written out: it would have more than {limit:,} names and numbers", "give SymPy the definitions one by one"),
    "no-dt": (LossValueError, "`{found}` is in seconds, and nothing says how long a step is", "say so in the vocabulary: `dt=0.01` for a hundredth of a second"),
    "dt-not-fixed": (LossValueError, "how many steps `{found}` are is not known before the data: `dt` is `{dt}`", "give `dt` as a number, `dt=0.01`, or `within=` in steps"),
    "window-order": (LossValueError, "no step lies in the window `{found}`", "write the earlier bound first; the later one is no longer in it, and both are rounded to steps"),
    "window-row": (LossValueError, "the row `{row}` is {got}", "{advice}"),
    "bad-weight": (LossValueError, "{what} `{name}` is {got}", "give a finite real number"),
    "no-residuals": (LossValueError, "`{found}` is no sum of squares: {reason}", "{advice}"),
    "negative-weight": (LossValueError, "the weight of `{label}` is {weight}: residuals need one that is not negative", "leave the term out: `loss.without({label!r})`"),
    "negative-factor": (LossValueError, "a factor of `{label}` is negative in these data: it has no residuals", "leave the term out: `loss.without({label!r})`"),
    "ensemble": (LossValueError, "these are losses that are mapped over, not one loss", "work on each of them, as in `jax.vmap(lambda loss: 2*loss)(losses)`"),
    "scale": (LossValueError, "a loss cannot be multiplied by {got}", "multiply by a number; to multiply two penalties write them in a text: `a*b`"),
    "divide": (LossValueError, "a loss cannot be divided by 0", "divide by another number"),
    "traced-scale": (LossValueError, "the weight of `{label}` is made of parameters, it cannot be multiplied by a traced number", "make the factor a parameter too, and change it with `with_parameters`"),
    "two-values": (LossValueError, "the parameter `{name}` is {first} in one loss and {second} in the other", "give it one value with `with_parameters` first"),
    "out-of-domain": (LossValueError, "`{operator}` needs {needs}, here {given}", "write for example `{example}`"),
    "literal-range": (LossValueError, "float32 cannot hold `{number}`", "compute with 64 bits, `jax.config.update(\"jax_enable_x64\", True)`, or write a number between 1.2e-38 and 3.4e38"),
    "bad-argument": (LossValueError, "`{argument}` cannot be {got}", "{advice}"),
    "bad-step": (LossValueError, "the training iteration `step` is {got}", "give one number"),
    "add": (LossValueError, "{got} cannot be added to a loss", "add a term; a constant has no gradient"),
    "no-step": (LossValueError, "the loss needs the training iteration `step`", "call it as `loss(states, trial_specs, step=i)`; `lossdsl eval` has `--step`"),
    "no-counterpart": (LossValueError, "{found} has no counterpart in the language", "{advice}"),
    "bad-operator": (LossValueError, "the operator `{name}` cannot be declared: {reason}", "{advice}"),
    "no-leaves": (LossValueError, "the weights of the loss are not there: its leaves are {got}", "put them back, as `eqx.combine` does after `eqx.partition`"),
    "state-differs": (LossNameError, "the state is that of another loss: {difference}", "restore what both have with `with_weights` and `with_parameters`"),
    "state-value": (LossDataError, "{name} of the state is {got}, the loss has {expected}", "give the state of a loss that was made like this one"),
    # weights that adapt
    "no-gradients": (LossValueError, "`{method}` needs the gradients of the terms, it is given {got}", "call `update(values, state, gradients)` with those of `ld.term_gradients`"),
    # an editor, the command line
    "unknown-code": (LossNameError, "there is no error `{name}`", "{advice}"),
    "no-data": (LossDataError, "there is nothing to evaluate the loss on", "add `--data FILE.npz`, an archive of NumPy with keys such as `states.net.hidden`, or `--data example`"),
    "cannot-rename": (LossNameError, "`{name}` cannot be called `{new}`: {reason}", "choose another name, of letters, digits and `_`"),
    # Feedbax
    "not-installed": (LossError, "{use} needs {package}, which is not installed", "run `pip install {install}`"),
    "feedbax-step": (LossValueError, "the loss needs the training iteration `step`, which Feedbax does not give to a loss", "make `step` a parameter, and change it with `with_parameters`"),
    "same-name": (LossNameError, "the labels `{first}` and `{second}` are both the name `{name}`", "give one of the terms another label; names have no spaces and no capitals here"),
    "feedbax-spec": (LossValueError, "the term `{label}` {reason}", "{advice}"),
    "feedbax-traced": (LossValueError, "the weight of `{label}` is traced, and this version of Feedbax keeps weights outside of what is traced", "call `to_feedbax()` outside of the function that is compiled"),
    "foreign-loss": (LossValueError, "{got} is not a loss of lossdsl, and cannot be part of one", "make it one, `ld.from_feedbax(...)`, or make ours one of Feedbax, `.to_feedbax()`"),
    "two-outputs": (LossDataError, "the loss reads `{name}`, but the data have `{other}` too, which is what reaches the plant, delayed and with noise", "Feedbax's own `nn_output` is that of `{other}` since April 2024: write `nn_command` for it, or leave it so with `warnings.filterwarnings(\"ignore\", \"the loss reads\")`"),
    "no-target": (LossValueError, "the term `{label}` has no target", "give `spec=TargetSpec(value)`, or `trial_specs.targets[\"{path}\"]`"),
    # data
    "no-root": (LossDataError, "`{name}` is not there: `{root}` is None", "give `{root}`, as in `loss(states, trial_specs, model=model)`; in an .npz file, keys that begin with `{root}.`"),
    "missing-path": (LossDataError, "`{name}` is not there: `{parent}` has no `{part}`{nor}", "{advice}"),
    "path-raises": (LossDataError, "`{name}` cannot be read, it raises {got}", "mend what computes it: it is an error of the data themselves"),
    "not-held": (LossDataError, "`{name}` holds {got}", "{advice}"),
    "no-model": (LossDataError, "`{name}` is a loss, which is no part of a model", "give the path of the network beside it"),
    "no-array": (LossDataError, "`{name}` is {got}, not an array of real numbers", "`{path}` must hold an array with the axes {axes}"),
    "not-a-tree": (LossDataError, "`{root}` holds {got}, which JAX cannot look into", "a term in Python sees `{root}` whole: give dicts, named tuples or Equinox modules"),
    "rank": (LossDataError, "`{name}` has the shape {shape}, its axes are {axes}", "{advice}"),
    "not-one": (LossDataError, "axis {position} of `{name}` has the length {length}, the vocabulary says 1: its shape is {shape}", "`{path}` must have the axes {axes}"),
    "values-not-finite": (LossDataError, "the loss is not finite: {found}", "{advice}"),
    "values-unknown": (LossDataError, "the values are traced, so they are not known yet", "check what the compiled function returns"),
    "no-components": (LossDataError, "`{name}` is not there: `{parent}` is {got}", "the index lies within the last axis of an array"),
    "not-square": (LossDataError, "`{name}` has the shape {shape}, but two axes `{axis}`", "`{path}` must hold a square matrix"),
    "no-trials": (LossDataError, "`{name}` has no trials: its shape is {shape}", "give at least one; a loss is a mean over `batch`"),
    "axis-length": (LossDataError, "`{axis}` has two lengths: `{first}` is {first_shape}, `{second}` is {second_shape}", "give the two axes two names in the vocabulary, or one length; only `time` may differ"),
    "no-file": (LossDataError, "there is no file `{path}`", "{advice}"),
    "not-regular": (LossDataError, "`{path}` is {got}, not a regular file", "save what it gives in a file, and give that"),
    "too-big": (LossDataError, "`{path}` {holds} {size:,} bytes, the limit is {limit:,}", "split it into several files"),
    "not-a-text": (LossDataError, "`{path}` is not a text", "the first argument is the loss, the data are given as `--data FILE.npz`"),
    "cannot-write": (LossDataError, "`{path}` cannot be written: {reason}", "give the name of a file in a folder that is there"),
    "cannot-draw": (LossValueError, "`{formula}` cannot be drawn by Matplotlib", "write a `.tex` file instead, for LaTeX itself"),
    "bad-file": (LossDataError, "`{path}` cannot be read: {reason}", "give an .npz file with keys such as `states.net.hidden`"),
    "bad-key": (LossDataError, "`{path}` has the key `{key}`", "{advice}"),
    "mask-short": (LossDataError, "the mask of an epoch, or of valid steps, has {length} steps where {needed} are needed", "give one as long as what it masks"),
    "lengths-differ": (LossDataError, "`{left}` and `{right}` differ in the length of `{axis}`: {left_length} and {right_length}", "{shapes}"),
    "out-of-range": (LossDataError, "`{found}` lies outside of `{operand}`, which has {length} steps in `{axis}`", "choose an index from {first} to {last}"),
    "beyond-end": (LossDataError, "`{found}` looks {stop} steps ahead, and `{operand}` has {length}: no step sees so far", "choose a shorter `within=`, or leave it out to look up to the end of the trial"),
    "empty-window": (LossDataError, "`{found}` is empty: `{operand}` has the length {length} along `{axis}`", "choose a window that lies within it"),
    "term-shape": (LossDataError, "`{name}` returned {got}", "{advice}"),
    "operator-result": (LossDataError, "the operator `{name}` gave {got}, not real numbers", "return an array of JAX with real numbers"),
    "operator-shape": (LossDataError, "the operator `{name}` gave the shape {got}, not {expected}", "what has no `axis` works elementwise; what has one takes that axis away"),
    # files of losses
    "file-kind": (LossDataError, "the file `{path}` is not one of YAML, TOML or JSON by its name", "let it end in .yaml, .yml, .toml or .json"),
    "bad-syntax": (LossSyntaxError, "this is not {kind}: {reason}", "{advice}"),
    "key-twice": (LossNameError, "the key `{key}` stands here twice", "keep one of the two"),
    "anchor": (LossSyntaxError, "`{anchor}` is the name of an anchor to YAML, and `{rest}` the text", "put the text in quotes"),
    "bad-value": (LossValueError, "{what} cannot be {got}", "{advice}"),
    "bad-config": (LossValueError, "the config has no value for `{key}`: {reason}", "give it one, or correct the interpolation"),
    "vocabulary-circle": (LossNameError, "the vocabulary `{path}` builds on itself", "let one of the files do without the other"),
    "bad-symbol": (LossValueError, "the symbol `{latex}` cannot stand in a formula: {reason}", "write letters, accents and scripts, such as `\\hat{{x}}_{{t}}`"),
    "not-in-config": (LossValueError, "the term `{name}` is a Python object, which a file cannot hold", "save the loss without it, and add it in Python: `compile(..., terms=[...])`"),
    # histories
    "no-losses": (LossDataError, "{got} is not a `LossDict`", "give what the loss returns; `LossHistory.start` takes labels too, as `loss.labels`"),
    "not-stacked": (LossDataError, "the losses have no axis {axis} of steps: their shape is {shape}", "give the `LossDict` that `lax.scan` returns, or record one for each step"),
    "history-labels": (LossNameError, "the values have other terms than the history: {difference}", "give values of its terms: {labels}"),
    "history-steps": (LossDataError, "the steps of a history cannot be {got}", "give their number, or the iteration of each row, in increasing order"),
    "history-shape": (LossDataError, "`{name}` has the shape {shape}, the history needs {expected}", "start it from values of that shape: `LossHistory.start(values, steps)`"),
    "no-row": (LossDataError, "the history has no row for the iteration {step}", "record one of its {number}, from {first} to {last}"),
    "bad-history": (LossDataError, "`{path}` cannot be loaded: {reason}", "give a file that `history.save` wrote"),
    "history-version": (LossDataError, "`{path}` is a history of version {found}", "this is a lossdsl for version {known}; update it, or save the file again"),
}  # fmt: skip


def error(code: str, span: Span | None = None, **fields: Any) -> LossError:
    """The exception of the row `code`; the fields fill its wording."""
    shown = {name: clip(v, _LONGEST.get(name, 200)) if isinstance(v, str) else v for name, v in fields.items()}
    return MESSAGES[code][0](code, span, **shown)


def _rebuild(kind: type[LossError], parts: tuple[Any, ...], place: Any, others: Any, fields: Any) -> LossError:
    failure = kind(*parts, **fields)
    failure.place, failure.others = place, others
    return failure


def called(calls: Sequence[str]) -> str:
    """The calls that an error was reached through, the nearest first, those in the middle left out."""
    shown = [f"`{clip(call, 100)}`" for call in calls]
    return " of ".join(shown if len(shown) < 4 else [shown[0], "...", shown[-1]])
