"""Where arrays lie: every kind of container, and the short way through it against the long one."""

import zipfile
from collections import OrderedDict, UserDict, namedtuple
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lossdsl as ld
from lossdsl.backends.data import take
from lossdsl.backends.reader import reader

VALUES = np.arange(6.0, dtype=np.float32).reshape(2, 3)


def fields(tree):
    return SimpleNamespace(**{key: fields(value) for key, value in tree.items()}) if isinstance(tree, dict) else tree


def tuples(tree):
    if not isinstance(tree, dict):
        return tree
    return namedtuple("Tuple", tree)(**{key: tuples(value) for key, value in tree.items()})


def user_dicts(tree):
    return UserDict({key: user_dicts(value) for key, value in tree.items()}) if isinstance(tree, dict) else tree


TREE = {"arm": {"torque": VALUES, "angle": 10 * VALUES}}
KINDS = {
    "dicts": TREE,
    "fields": fields(TREE),
    "tuples": tuples(TREE),
    "user dicts": user_dicts(TREE),
    "ordered": OrderedDict(TREE),
    "fields in a dict": {"arm": fields(TREE["arm"])},
    "a dict in fields": SimpleNamespace(arm=TREE["arm"]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_container(kind):
    quantities = {"torque": ("states.arm.torque", "batch time"), "angle": ("states.arm.angle", "batch time")}
    loss = ld.compile("torque + angle", ld.Vocabulary(quantities))
    for other in (kind, *KINDS, kind):  # what it met before changes nothing
        assert loss(KINDS[other], None).total == pytest.approx(11 * VALUES.sum() / 2)


@pytest.mark.parametrize("part", ["values", "items", "count", "lambda", "ﬁnal"])
def test_names_that_containers_have_themselves(part):
    path, tree = f"states.{part}.torque", {"torque": VALUES}
    loss = ld.compile("x", ld.Vocabulary({"x": (path, "batch time")}))
    for states in ({part: tree}, {part: fields(tree)}, UserDict({part: tree}), SimpleNamespace(**{part: tree})):
        assert take(states, path) is VALUES
        assert loss(states, None).total == pytest.approx(VALUES.sum() / 2)


class Both(dict):
    """A dict with an attribute of the name of a key."""

    arm = SimpleNamespace(torque=-VALUES)


class Indexed:
    """An object whose attribute and key of one name differ; it is no mapping."""

    torque = VALUES

    def __getitem__(self, key):
        return -VALUES


@pytest.mark.parametrize("states", [Both(arm={"torque": VALUES}), {"arm": Indexed()}, {"arm": Both(torque=VALUES)}])
def test_the_short_way_is_that_of_take(states):
    loss = ld.compile("x", ld.Vocabulary({"x": ("states.arm.torque", "batch time")}))
    assert take(states, "states.arm.torque") is VALUES
    assert loss.program.pick(states, None, None) == (VALUES,)


QUANTITIES = [
    ld.Quantity("states.arm.torque", "batch time"),
    ld.Quantity("trial_specs.goal", "batch"),
    ld.Quantity("states.arm.angle", "batch time"),
]


@pytest.mark.parametrize("kind", [dict, fields, OrderedDict])
def test_the_short_way(kind):
    """It gives what is there for roots of the kind that it was made for, and nothing for others."""
    goal = jnp.ones(2)
    states = kind(TREE)
    read = reader(QUANTITIES, {"states": states, "trial_specs": {"goal": goal}, "model": None})
    assert read(kind(TREE), {"goal": goal}, None) == (VALUES, goal, TREE["arm"]["angle"])
    for others, trial_specs in ((tuples(TREE), {"goal": goal}), (states, {}), (states, None), ({}, {"goal": goal})):
        assert read(others, trial_specs, None) is None
    assert reader([], {})(None, None, None) == ()


def test_kinds_of_states_may_change_from_call_to_call():
    loss = ld.compile("sqnorm(x)", ld.Vocabulary({"x": ("states.arm.torque", "batch joint")}))
    for _ in range(2):
        for states in KINDS.values():
            assert loss(states, None).total == np.mean(np.sum(VALUES**2, axis=1))


def test_a_key_is_no_method_of_a_dict():
    loss = ld.compile("sqnorm(x)", ld.Vocabulary({"x": ("states.arm.values", "batch joint")}))
    for states in (fields({"arm": {"values": VALUES}}), {"arm": {"values": VALUES}}):
        assert loss(states, None).total == np.mean(np.sum(VALUES**2, axis=1))
    with pytest.raises(ld.LossDataError, match="has no `values`"):
        loss({"arm": {}}, None)


@pytest.mark.parametrize("quantity", [("model", "pytree"), ("states.x[..., 1]", "batch time"), ("states.x", "pytree")])
def test_no_short_way(quantity):
    roots = {"states": {"x": VALUES}, "trial_specs": None, "model": {}}
    assert reader([ld.Quantity(*quantity)], roots)(*roots.values()) is None


def test_an_error_of_the_states_themselves_is_told():
    class Broken:
        @property
        def arm(self):
            raise RuntimeError("broken")

    loss = ld.compile("x", ld.Vocabulary({"x": ("states.arm.torque", "batch time")}))
    with pytest.raises(ld.LossDataError) as caught:
        loss(Broken(), None)
    assert caught.value.code == "path-raises"
    assert caught.value.message == "`states.arm.torque` cannot be read, it raises RuntimeError: broken, in the term `x`"


def test_a_masked_array_is_refused():
    loss = ld.compile("x", ld.Vocabulary({"x": ("states.x", "batch time")}))
    with pytest.raises(ld.LossDataError, match="`x` is a masked array of shape"):
        loss({"x": np.ma.array(VALUES)}, None)


def test_a_branch_that_is_none_is_not_offered():
    with pytest.raises(ld.LossDataError) as caught:
        ld.compile("nn_output")({"net": None, "mechanics": {"output": VALUES}}, None)
    assert caught.value.hint == "the nearest there are: `states.mechanics.output`"


@pytest.mark.parametrize(("at", "byte"), [(8, 99), (6, 1)])
def test_an_archive_that_cannot_be_unpacked(tmp_path, at, byte):
    """By its compression method, or because it is encrypted, in both headers of its entry."""
    path = tmp_path / "x.npz"
    np.savez(path, **{"states.x": VALUES})
    held = bytearray(path.read_bytes())
    for header, shift in ((b"PK\3\4", 0), (b"PK\1\2", 2)):
        held[held.index(header) + at + shift] = byte
    path.write_bytes(held)
    with pytest.raises(ld.LossDataError, match="cannot be read"):
        ld.load_npz(path)


SCALED = ld.compile("x + 0.5*y", ld.Vocabulary({"x": ("states.x", "batch time"), "y": ("states.y", "batch")}))


@pytest.mark.parametrize(
    ("array", "got"),
    [
        (np.full((2, 3), 2**40 + 1), "1099511627777, which int32 cannot"),
        (np.array([[1, 2, -(2**31) - 1]]), "-2147483649, which int32 cannot"),
        (np.full((2, 3), 2**63 + 5, np.uint64), "9223372036854775813, which uint32 cannot"),
        (np.array([[0, np.inf, 1e300]]), "1e+300, which float32 cannot"),
        (np.ones((2, 3), ">f4"), "numbers of >f4, in the order of bytes of other machines"),
        (np.ones((2, 3), ">i8"), "numbers of >i8, in the order of bytes of other machines"),
        (np.ones((2, 3), np.longdouble), "numbers of float128"),
    ],
)
def test_what_jax_would_take_for_another_number(array, got):
    other = np.ones(len(array))
    for _ in range(3):  # the short way refuses it too
        with pytest.raises(ld.LossDataError) as caught:
            SCALED({"x": array, "y": other}, None)
        assert caught.value.message == f"`states.x` holds {got}, in the term `x`"
        assert np.isfinite(SCALED({"x": np.ones((2, 3)), "y": np.ones(2)}, None).total)
    with jax.enable_x64(True):
        if array.dtype.isnative and array.dtype.itemsize == 8:
            assert SCALED({"x": array, "y": other}, None).total == pytest.approx(
                array.astype(float).sum(axis=1).mean() + 0.5
            )
        else:
            with pytest.raises(ld.LossDataError, match="holds numbers of"):
                SCALED({"x": array, "y": other}, None)


@pytest.mark.parametrize("dtype", [np.int64, np.uint64, np.float64])
def test_what_32_bits_hold_is_taken(dtype):
    most = np.iinfo(f"{np.dtype(dtype).kind}4").max if dtype != np.float64 else np.finfo(np.float32).max / 4
    array = np.array([[most, 0, 1]], dtype)
    assert SCALED({"x": array, "y": np.ones(1)}, None).total == pytest.approx(float(most))


def test_what_a_term_in_python_and_a_tree_see():
    class Seen(ld.AbstractLoss):
        label: str = "seen"

        def term(self, states, trial_specs, model=None):
            return jnp.sum(states["x"], axis=1)

    large = np.full((2, 3), 2**40)
    with pytest.raises(ld.LossDataError, match="`states` holds 1099511627776, which int32 cannot"):
        Seen()({"x": large}, None)
    with pytest.raises(ld.LossDataError, match=r"`model` holds 1e\+300, which float32 cannot"):
        ld.compile("sqnorm(model)")(None, None, {"w": np.array(1e300)})


@pytest.mark.parametrize("part", ["flat", "aval", "T", "real", "at", "0"])
def test_what_an_array_has_is_no_array_of_the_data(part):
    loss = ld.compile("x", ld.Vocabulary({"x": (f"states.x.{part}", "batch time")}))
    for array in (VALUES, jnp.asarray(VALUES)):
        with pytest.raises(ld.LossDataError, match=f"`states.x` has no `{part}`"):
            loss({"x": array}, None)


def npz(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"states.{name}.npy", content)


def npy(header):
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + bytes(8)


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (10000000000, 100000000000000000000,), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (0,), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (((((((((1,), }",
        "{'descr': 'nonsense', 'fortran_order': False, 'shape': (1,), }",
        "",
    ],
)
def test_a_header_that_lies(tmp_path, header):
    npz(tmp_path / "x.npz", x=npy(header))
    with pytest.raises(ld.LossDataError, match="cannot be read"):
        ld.load_npz(tmp_path / "x.npz")


def test_an_archive_that_would_fill_the_memory(tmp_path):
    npz(tmp_path / "x.npz", x=bytes(2**28), **{f"x{i}": bytes(2**28) for i in range(4)})
    with pytest.raises(ld.LossDataError) as caught:
        ld.load_npz(tmp_path / "x.npz")
    assert caught.value.message.endswith("unpacks to 1,342,177,280 bytes, the limit is 1,073,741,824")


def test_bytes_in_the_order_of_other_machines_are_read(tmp_path):
    np.savez(tmp_path / "x.npz", **{"states.x": VALUES.astype(">f8")})
    read = ld.load_npz(tmp_path / "x.npz").states["x"]
    assert read.dtype == np.dtype("float64") and np.array_equal(read, VALUES)


def test_a_damaged_archive_is_read_whole_or_not_at_all(tmp_path):
    path = tmp_path / "x.npz"
    arrays = {"states.a": VALUES, "states.b": 2 * VALUES, "trial_specs.c": 3 * VALUES}
    np.savez_compressed(path, **arrays)
    held = path.read_bytes()
    for bit in range(0, 8 * len(held), 5):
        changed = bytearray(held)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        try:
            read = ld.load_npz(path)
        except ld.LossDataError:
            continue
        assert all(np.array_equal(take(getattr(read, key.split(".")[0]), key), array) for key, array in arrays.items())
