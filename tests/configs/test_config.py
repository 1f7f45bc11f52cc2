"""Losses in files and configs: what they mean, back and forth, and the messages verbatim."""

import json
import os
import pickle
import sys
import time
from pathlib import Path
from typing import Annotated

import jsonschema
import pydantic
import pytest
import yaml
from hydra.utils import instantiate
from hypothesis import given, strategies as st
from omegaconf import OmegaConf
from pydantic import BaseModel

import lossdsl as ld
from lossdsl.configs.files import read_file, write_file
from lossdsl.configs.schema import SCHEMAS, json_schema
from tests import cases

ARM = ld.Vocabulary(
    quantities={
        "torque": ld.Quantity("states.torque", "batch time joint", r"\tau", "N m", "joint torques"),
        "position": ("states.angle", "batch time joint"),
    },
    terms={"effort": ld.Definition("sqnorm(torque)", r"\ell_e", "effort"), "half": "effort/2"},
    parameters={"alpha": 1e-5},
)
LOSSES = {
    "text": ld.compile("1.0*position + 1e-5*nn_hidden + final(velocity)"),
    "definitions": ld.compile("d = norm(effector.vel);\n-d + 2*position as p"),
    "parameters": ld.compile(
        "alpha*position + minimum(step/beta, 1)*velocity", parameters={"alpha": 0.1, "beta": 1000}
    ),
    "own names": ld.compile("alpha*effort + half + sqnorm(position)", ARM),
    "no names of Feedbax": ld.compile("effort", ARM),
    "tuned": ld.compile("0.1*position + alpha*velocity", parameters={"alpha": 1}).with_weights(position=1e-7),
    "time": ld.compile(
        "x@late + x@go..end + mean(x@last 0.2s)",
        ld.Vocabulary(
            {"x": "batch time"},
            epochs={"late": "go+0.1s..end"},
            events={"go": ld.Quantity("trial_specs.go", "batch")},
            dt=0.1,
            trials_begin=0,
            length=ld.Quantity("trial_specs.n", "batch"),
        ),
    ),
    "algebra": 0.3 * ld.EffectorPositionLoss() - ld.compile("0.1*final(velocity)"),
}


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("suffix", ["yaml", "toml", "json"])
def test_saved_and_loaded_it_is_the_same(loss, suffix, tmp_path):
    file = tmp_path / f"loss.{suffix}"
    ld.save(loss, file)
    loaded = ld.load(file)
    assert loaded.digest == loss.digest
    assert loaded.to_config() == loss.to_config()
    assert ld.compile(**loss.to_config()).digest == loss.digest
    jsonschema.validate(loss.to_config(), json_schema("loss"))


def test_config_holds_what_the_loss_needs():
    assert LOSSES["own names"].to_config() == {
        "vocabulary": "none",
        "quantities": {
            "torque": {
                "path": "states.torque",
                "axes": "batch time joint",
                "latex": r"\tau",
                "unit": "N m",
                "doc": "joint torques",
            },
            "position": {"path": "states.angle", "axes": "batch time joint"},
        },
        "terms": {"effort": {"expr": "sqnorm(torque)", "latex": r"\ell_e"}, "half": "effort/2"},
        "parameters": {"alpha": 1e-05},
        "loss": "alpha*effort + half + sqnorm(position)",
    }
    assert LOSSES["text"].to_config() == {
        "vocabulary": "feedbax",
        "loss": "position + 1e-5*nn_hidden + final(velocity)",
    }


def test_python_terms_cannot_be_saved(tmp_path):
    class Peak(ld.AbstractLoss):
        label: str = "peak"

        def term(self, states, trial_specs, model=None):
            return states["x"]

    with pytest.raises(ld.LossValueError) as caught:
        ld.save(ld.compile("position + peak", terms=[Peak()]), tmp_path / "loss.yaml")
    assert str(caught.value) == (
        "the term `peak` is a Python object, which a file cannot hold\n"
        "save the loss without it, and add it in Python: `compile(..., terms=[...])`"
    )
    file = tmp_path / "loss.yaml"
    file.write_text("loss: position + peak\nterms: {twice: 2*peak}\n")
    assert ld.load(file, terms=[Peak()]).labels == ("position", "peak")


@cases.parametrize("config.txt")
def test_file(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = case.title
    Path(file).write_text(case.text + "\n")
    Path("broken.yaml").write_text("terms:\n  bad: sqnorm(velocty)\n")
    Path("circle.yaml").write_text("vocabulary: circle.yaml\n")
    Path("empty.yaml").write_text("")
    try:
        result = str(ld.load(file))
    except ld.LossError as failure:
        result = str(failure)
    assert result == case.expected


def test_place_survives_pickling(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text("loss: positon\n")
    with pytest.raises(ld.LossNameError) as caught:
        ld.load(file)
    assert caught.value.place == f"{file}:1: loss"
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    assert repr(caught.value) == f"LossNameError: {caught.value}"


@pytest.mark.parametrize("kind", SCHEMAS)
def test_shipped_schema_is_that_of_the_models(kind):
    shipped = Path(ld.__file__).parent / "configs" / "schemas" / f"{kind}.json"
    assert json.loads(shipped.read_text()) == json_schema(kind)


@pytest.mark.parametrize(
    ("config", "valid"),
    [
        ({"loss": "position"}, True),
        ({"loss": {"a": "position", "b": {"weight": "1e-5", "expr": "velocity"}}}, True),
        (
            {
                "loss": "a*b*x",
                "quantities": {"x": ["states.x", "batch"]},
                "parameters": {"a": 1, "b": {"default": "2"}},
            },
            True,
        ),
        ({}, False),
        ({"loss": ["position"]}, False),
        ({"loss": "position", "parameter": {}}, False),
        ({"loss": {"a": {"wieght": 1, "expr": "position"}}}, False),
        ({"loss": "position", "parameters": {"a": "x"}}, False),
        ({"loss": "x", "quantities": {"x": ["states.x"]}}, False),
    ],
)
def test_schema_and_models_agree(config, valid, tmp_path):
    assert jsonschema.Draft202012Validator(json_schema("loss")).is_valid(config) is valid
    file = tmp_path / "loss.json"
    file.write_text(json.dumps(config))
    if valid:
        assert ld.load(file)
    else:
        with pytest.raises(ld.LossError):
            ld.load(file)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\n\r\x85\u2028\ufeff\ufffe"), max_size=30)
DATA = st.dictionaries(
    TEXTS.filter(bool), st.recursive(TEXTS, lambda inner: st.dictionaries(TEXTS, inner), max_leaves=6)
)


@given(data=DATA, suffix=st.sampled_from(["yaml", "toml", "json"]))
def test_any_text_is_read_back(data, suffix, tmp_path_factory):
    file = tmp_path_factory.mktemp("texts") / f"a.{suffix}"
    write_file(file, data)
    assert read_file(file).data == data


@given(text=st.text(max_size=40) | st.text(alphabet="loss: &*[]{}|>%@!-#'\"\n\tapos1e-5,", max_size=40))
def test_any_file_gives_a_loss_or_our_error(text, tmp_path_factory):
    for suffix in ("yaml", "toml", "json"):
        file = tmp_path_factory.mktemp("any") / f"a.{suffix}"
        file.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            ld.load(file)
        except ld.LossError as failure:
            assert str(failure)


def test_lines_of_all_kinds(tmp_path):
    yaml_text = "# c\nvocabulary: feedbax\nloss:\n  a: position\n\n  b:\n    weight: 1\n    expr: |\n      position\n"
    toml_text = '# c\nvocabulary = "feedbax"\n[loss]\na = "position"\n\n[loss.b]\nweight = 1\nexpr = """\nposition"""\n'
    json_text = '{\n\t"vocabulary": "feedbax",\n"loss": {\n"a": "position",\n\n"b": {\n"weight": 1,\n"expr": "x"}}}'
    for name, text in (("a.yaml", yaml_text), ("a.toml", toml_text), ("a.json", json_text)):
        (tmp_path / name).write_text(text)
        line_of = read_file(tmp_path / name).line_of
        found = [
            line_of(keys)
            for keys in (("vocabulary",), ("loss",), ("loss", "a"), ("loss", "b", "weight"), ("loss", "b", "expr"))
        ]
        assert found == [2, 3, 4, 7, 8], name
        assert line_of(("nothing",)) is None


def test_without_the_extra(tmp_path, monkeypatch):
    for module, name, text in (
        ("yaml", "a.yaml", "loss: position"),
        ("pydantic", "a.toml", 'loss = "position"'),
    ):
        monkeypatch.setitem(sys.modules, module, None)
        monkeypatch.delitem(sys.modules, "lossdsl.configs.schema")
        monkeypatch.delattr("lossdsl.configs.schema")
        (tmp_path / name).write_text(text)
        with pytest.raises(ld.LossError, match=r"is not installed\nrun `pip install 'lossdsl\[config\]'`"):
            ld.load(tmp_path / name)
        monkeypatch.undo()


ROW = '{"loss": "position", "quantities": {"q": {"path": "states.x", "axes": "batch", "doc": %s}}}'


@pytest.mark.parametrize("text", [ROW % r'"\ufffe \u0007"', ROW.replace(":", "\n:") % '"x"', ROW % f'"{"x" * 5_000}"'])
def test_what_is_json_is_read_as_json(text, tmp_path):
    file = tmp_path / "a.json"
    file.write_text(text)
    assert ld.load(file).labels == ("position",)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.yaml", "loss: !!int abc", "loss: there is no name `abc`"),
        ("a.yaml", "loss: a\nparameters: {a: !!float abc}", "parameters.a: `parameters.a` cannot be `abc`"),
        ("a.yaml", "loss: a\nparameters: {a: !!bool maybe}", "parameters.a: `parameters.a` cannot be `maybe`"),
        ("a.yaml", "loss: a\nparameters: {a: !!timestamp 2001-99-99}", "`parameters.a` cannot be `2001-99-99`"),
        ("a.yaml", 'loss: "\\ud800"', "this is not YAML: `\N{REPLACEMENT CHARACTER}` has half of a character"),
        ("a.yaml", r'loss: "\U00110000"', "this is not YAML: "),
        ("a.yaml", "loss: x\x07", "this is not YAML: special characters are not allowed"),
        ("a.yaml", "[" * 5_000, "this is not YAML: it is nested too deep"),
        ("a.yaml", "- " * 500 + "x", "this is not YAML: it is nested too deep"),
        ("a.toml", "a = " + "[" * 5_000, "this is not TOML: it is nested too deep"),
        ("a.toml", "a = " + "1" * 5_000, "this is not TOML: a number has thousands of digits"),
        ("a.toml", "a." * 5_000 + "b = 1", "this is not TOML: it is nested too deep"),
        ("a.toml", "[" + 'a."b".' * 2_000 + "b]", "this is not TOML: it is nested too deep"),
        ("a.json", "[" * 100_000, "this is not JSON: it is nested too deep"),
        ("a.json", ROW % r'"\ud800"', "this is not JSON: `\N{REPLACEMENT CHARACTER}` has half of a character"),
        ("a.json", '{"loss": "a", "loss": "b"}', "the key `loss` stands here twice"),
        ("a.json", '{"loss": "x", "vocabulary": "\\u0000.yaml"}', "there is no file "),
        (
            "a.json",
            '{"loss": "x", "vocabulary": "\\u001b[31m"}',
            "there is no vocabulary `\N{REPLACEMENT CHARACTER}[31m`",
        ),
        ("a.json", '{"\\u001b[31m": 1}', ": \N{REPLACEMENT CHARACTER}[31m: there is no key"),
        ("a.json", '{"loss": "x", "vocabulary": "loop.yaml"}', "there is no file "),
        (
            "a.json",
            '{"loss": "x", "quantities": {"x": ["states.%s", "batch"]}}' % ("1" * 5_000),
            "neither a name nor an",
        ),
        (
            "a.json",
            '{"loss": "x", "quantities": {"x": ["states.x[..., %s]", "batch"]}}' % ("1" * 5_000),
            "neither a name",
        ),
    ],
)
def test_hostile_files(name, text, message, tmp_path):
    (tmp_path / "loop.yaml").symlink_to(tmp_path / "loop.yaml")
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(ld.LossError) as caught:
        ld.load(file)
    assert message in str(caught.value)


SLOW = {
    "brackets.yaml": lambda n: "[" * n,
    "rows of brackets.yaml": lambda n: "[\n" * n,
    "merges.yaml": lambda n: (
        "a0: &a0 {x: y}\n" + "".join(f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}]}}\n" for i in range(1, n))
    ),
    "aliases.yaml": lambda n: (
        "a0: &a0 {x: y}\n" + "".join(f"a{i}: &a{i} {{p: *a{i - 1}, q: *a{i - 1}}}\n" for i in range(1, n))
    ),
    "late.toml": lambda n: "[quantities]\n" + "".join(f'q{i} = ["states.x", "batch"]\n' for i in range(n)) + "bad = 1",
    "dotted.toml": lambda n: "a." * 49 * n + "b = 1",
    "long text.toml": lambda n: 'loss = """' + "x\n" * 20 * n + '"""\nbad = 1',
    "keys.json": lambda n: "{" + ",\n".join(f'"q{i}": 1' for i in range(n)) + "}",
}


@pytest.mark.parametrize("name", SLOW)
def test_time_grows_with_the_size_of_a_file(name, tmp_path):
    def seconds(n):
        (tmp_path / name).write_text(SLOW[name](n))
        times = []
        for _ in range(3):
            start = time.perf_counter()
            with pytest.raises(ld.LossError):
                ld.load(tmp_path / name)
            times.append(time.perf_counter() - start)
        return min(times)

    # The square would be 64 times as much.
    assert seconds(800) < 30 * seconds(100) + 0.1


def test_only_regular_files_of_a_size_are_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    (tmp_path / "large.yaml").write_text("#" * (2**22 + 1))
    for name, message in (
        ("pipe.yaml", "is a pipe, not a regular file"),
        ("zero.yaml", "is a device, not a regular file"),
        ("large.yaml", "has 4,194,305 bytes, the limit is 4,194,304"),
    ):
        with pytest.raises(ld.LossDataError) as caught:
            ld.load(tmp_path / name)
        assert caught.value.message == f"`{tmp_path / name}` {message}"
    for name in ("\0.yaml", "\ud800.yaml", "x" * 5_000 + ".yaml"):
        with pytest.raises(ld.LossDataError, match="there is no file"):
            ld.load(name)


def test_what_cannot_be_written_leaves_what_was_there(tmp_path, monkeypatch):
    file = tmp_path / "a.yaml"
    ld.save(ld.compile("position"), file)

    def full(file):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(ld.LossDataError) as caught:
            ld.save(ld.compile("velocity"), file)
    assert caught.value.message == f"`{file}` cannot be written: No space left on device"
    assert str(ld.load(file)) == "position"
    (tmp_path / "loop.yaml").symlink_to(tmp_path / "loop.yaml")
    os.mkfifo(tmp_path / "pipe.yaml")
    for name in ("none/a.yaml", "\0.yaml", "loop.yaml", "pipe.yaml"):
        with pytest.raises(ld.LossDataError):
            ld.save(ld.compile("position"), tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.yaml", "loop.yaml", "pipe.yaml"]


NESTED = {
    "a": {"_target_": "lossdsl.compile", "loss": "position"},
    "b": {"_target_": "lossdsl.EffectorPositionLoss"},
}


class TestOmegaConf:
    CONFIG = """
    vocabulary: none
    quantities:
      torque: [states.torque, batch time joint]
      angle: {path: states.angle, axes: batch time joint}
    parameters: {alpha: 1e-5, beta: {default: 2}}
    terms: {effort: sqnorm(torque), bend: {expr: sqnorm(angle)}}
    loss: {effort: "${loss.bend.weight}*alpha*effort", bend: {weight: beta, expr: bend}}
    """

    def test_every_argument(self):
        loss = ld.compile(**OmegaConf.create(self.CONFIG))
        assert str(loss) == "alpha*beta*effort + beta*bend"

    def test_vocabulary_and_weights(self):
        config = OmegaConf.create(self.CONFIG)
        vocabulary = ld.Vocabulary(config.quantities, config.terms, config.parameters)
        loss = ld.compile("effort + 2*bend", vocabulary)
        assert loss.with_weights(OmegaConf.create({"bend": "1e-3"})).weights["bend"] == pytest.approx(1e-3)
        both = ld.CompositeLoss(
            OmegaConf.create({"a": "position", "b": "velocity"}), OmegaConf.create({"a": 1, "b": 2})
        )
        assert str(both) == "position as a + 2*velocity as b"
        assert str(ld.CompositeLoss(OmegaConf.create(["position", "velocity"]), OmegaConf.create([1, 2]))) == (
            "position + 2*velocity"
        )

    def test_structured_config(self):
        config = OmegaConf.structured(ld.LossConfig)
        assert config._target_ == "lossdsl.compile"
        assert OmegaConf.is_missing(config, "loss")
        merged = OmegaConf.merge(config, {"loss": "alpha*position", "parameters": {"alpha": 0.5}})
        assert instantiate(merged).parameters["alpha"] == 0.5
        with pytest.raises(Exception, match="Key 'los' not in 'LossConfig'"):
            OmegaConf.merge(config, {"los": "position"})

    def test_losses_within_a_config(self):
        """A term in Python is made again; OmegaConf takes a compiled loss apart, but for `_convert_`."""
        for terms in (NESTED, list(NESTED.values())):
            config = {"_target_": "lossdsl.CompositeLoss", "_convert_": "all", "terms": terms}
            assert instantiate(OmegaConf.create(config)).labels[1] in ("b", "effector_position")
        assert instantiate(ld.LossConfig(loss=NESTED)).labels == ("a", "b")
        python = {"_target_": "lossdsl.CompositeLoss", "terms": {"b": NESTED["b"]}}
        assert instantiate(OmegaConf.create(python)).labels == ("b",)
        python = {"_target_": "lossdsl.compile", "loss": {"a": "position", "b": NESTED["b"]}}
        assert instantiate(OmegaConf.create(python)).labels == ("a", "b")

    @pytest.mark.parametrize(
        ("config", "message"),
        [
            ({"loss": {"a": "???"}}, "the config has no value for `loss.a`: it is `???`"),
            ({"loss": {"a": "${x}"}}, "the config has no value for `loss.a`: Interpolation key 'x' not found"),
            ({"loss": {"a": "${loss.b}", "b": "${loss.a}"}}, "the config has no value for `loss.a`: Recursive"),
            ({"loss": "position", "parameters": {"a": {"default": "???"}}}, "has no value for `parameters.a.default`"),
            ({"loss": {"a": {"b": "${loss.a}"}}}, "the config has no value for `loss.a.b`: Interpolation to parent"),
        ],
    )
    def test_values_that_are_not_there(self, config, message):
        with pytest.raises(ld.LossValueError) as caught:
            ld.compile(**OmegaConf.create(config))
        assert caught.value.code == "bad-config"
        assert message in str(caught.value)
        itself = {}
        itself["a"] = itself
        with pytest.raises(ld.LossValueError, match="it is nested in itself"):
            ld.compile(itself)
        with pytest.raises(ld.LossValueError, match="the config has no value for `position`"):
            ld.compile("position").with_weights(OmegaConf.create({"position": "???"}))

    def test_null_takes_a_term_away(self):
        config = OmegaConf.create({"go": "position", "stop": None})
        assert str(ld.compile(config)) == str(ld.CompositeLoss(config)) == "position as go"
        assert str(ld.CompositeLoss(config, {"go": "1e-5", "stop": 2})) == "1e-5*position as go"
        for make in (ld.compile, ld.CompositeLoss):
            with pytest.raises(ld.LossNameError, match="no term would be left"):
                make({"stop": None})


class TestPydantic:
    class Run(BaseModel):
        loss: ld.LossField

    class Arm(BaseModel):
        loss: Annotated[ld.CompositeLoss, ld.LossSchema(vocabulary=ARM)]

    @pytest.mark.parametrize(
        "given",
        [
            "position + 2*velocity",
            {"position": "position", "velocity": {"weight": 2, "expr": "velocity"}},
            ld.compile("position + 2*velocity"),
            {"loss": "position + 2*velocity", "vocabulary": "feedbax"},
        ],
        ids=["text", "mapping", "loss", "config"],
    )
    def test_reads(self, given):
        run = self.Run(loss=given)
        assert isinstance(run.loss, ld.CompositeLoss)
        assert run.model_dump() == {"loss": "position + 2*velocity"}
        assert self.Run.model_validate_json(run.model_dump_json()).loss.digest == run.loss.digest

    def test_dumps_a_config_where_the_text_says_less(self):
        arm = self.Arm(loss="alpha*effort")
        assert arm.model_dump() == {"loss": "alpha*effort"}
        changed = self.Arm(loss=arm.loss.with_parameters(alpha=1e-3))
        assert changed.model_dump()["loss"]["parameters"] == {"alpha": 1e-3}
        assert self.Arm.model_validate_json(changed.model_dump_json()).loss.digest == changed.loss.digest

    def test_error_has_caret_and_hint(self):
        with pytest.raises(pydantic.ValidationError) as caught:
            self.Run(loss="1.0*positon")
        assert caught.value.errors()[0]["msg"] == (
            "Value error, there is no name `positon`\n    1.0*positon\n        ^^^^^^^\ndid you mean `position`?"
        )

    def test_schema(self):
        assert self.Run.model_json_schema()["properties"]["loss"]["type"] == ["string", "object"]


def test_nothing_is_executed(tmp_path):
    file = tmp_path / "a.yaml"
    for text in (
        f"loss: !!python/object/apply:pathlib.Path.touch [{tmp_path}/hit]\n",
        "loss: position\n_target_: os.getcwd\n",
        "loss: {_target_: os.getcwd}\n",
        "loss: position\nquantities: {x: {path: states.__class__, axes: batch}}\n",
    ):
        file.write_text(text)
        with pytest.raises(ld.LossError):
            ld.load(file)
    assert not (tmp_path / "hit").exists()
    assert yaml.safe_load("1e-5") == "1e-5"  # the trap that the reader avoids


@pytest.mark.parametrize(
    "text", ["(alpha - alpha + 2)*position", "alpha/alpha*position", "b = alpha; (b - b + 1)*position"]
)
def test_a_parameter_that_cancels(text):
    config = ld.compile(text, parameters={"alpha": 2.0}).to_config()
    assert ld.compile(**config).digest == ld.compile(config["loss"].split("\n")[-1]).digest


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("epochs:\n  still: 3s..4s..5s\n", "2: epochs.still: a window cannot begin or end at `4s..5s`"),
        ("epochs:\n  still: go+..end\n", "2: epochs.still: a window cannot begin or end at `go+`"),
        (
            "events:\n  cue: {path: states.cue, axes: batch batch}\n",
            "2: events.cue: `batch batch` are not the axes of a quantity: `batch` stands there twice",
        ),
        (
            "length: {path: states.n, axes: batch, dok: n}\n",
            "1: length.dok: there is no key `dok` in `length`",
        ),
        ("length: {path: states.n, axes: batch batch}\n", "1: length: `batch batch` are not the axes of a quantity"),
    ],
)
def test_a_mistake_in_a_row_of_time_has_its_line_and_its_name(tmp_path, rows, message):
    path = tmp_path / "loss.yaml"
    path.write_text(f"{rows}loss: position\n")
    with pytest.raises(ld.LossError) as caught:
        ld.load(path)
    assert str(caught.value).startswith(f"{path}:{message}")


def test_rows_of_time_are_mappings():
    with pytest.raises(ld.LossValueError, match="`epochs` cannot be an int"):
        ld.compile("position", epochs=3)
    with pytest.raises(ld.LossNameError, match=r"there is no key `pth` in `events\.cue`"):
        ld.compile("position@cue..end", events={"cue": {"pth": "states.cue", "axes": "batch"}})
