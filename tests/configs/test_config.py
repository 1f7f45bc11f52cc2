"""Losses in files and configs: what they mean, back and forth, and the messages verbatim."""

import json
import pickle
import sys
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


TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\n"), max_size=30)
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
