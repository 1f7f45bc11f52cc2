"""A text of YAML -> plain data, with the places of its keys, and back."""

from collections.abc import Mapping
from typing import Any, ClassVar

from lossdsl.configs.keys import DEEPEST, MOST_NESTED, Keys, Mark, bad_syntax, too_deep
from lossdsl.errors import LossError, Span, error

INSTALL = "'lossdsl[config]'"

# What YAML takes the first character of a text for.
_MEANT = {
    "*": "for an alias",
    "&": "for an anchor",
    "|": "for the start of a block",
    ">": "for the start of a block",
    "!": "for a tag",
    "{": "for the start of a mapping",
    "[": "for the start of a list",
    "-": "for an entry of a list",
    "%": "for a directive",
    "@": "for a character that it keeps for itself",
    "`": "for a character that it keeps for itself",
}


def read_yaml(text: str) -> tuple[Any, dict[Keys, Mark]]:
    """The data of a text, and the place of each key.

    Raises:
        LossSyntaxError: If it is not well formed.
        LossNameError: For a key that stands there twice.
    """
    yaml = _yaml()
    try:
        loader = _loader(yaml)(text)
        root = loader.get_single_node()
        marks: dict[Keys, Mark] = {}
        if root is not None:
            _walk(yaml, root, text, (), marks, set())
        return root and loader.construct_document(root), marks
    except yaml.MarkedYAMLError as failure:
        mark = failure.problem_mark or failure.context_mark
        reason, start = failure.problem or failure.context or "", mark.index if mark else 0
        raise bad_syntax("YAML", reason, text, start, _advice(text, start)) from None
    except yaml.reader.ReaderError as failure:
        advice = "take the character away, or write it as an escape in quotes"
        raise bad_syntax("YAML", failure.reason, text, failure.position, advice) from None
    except LossError:
        raise
    except (ValueError, OverflowError, yaml.YAMLError) as failure:  # an escape of a character that there is not
        raise bad_syntax("YAML", str(failure).split("\n")[0], text, 0, "write plain texts and numbers") from None
    except RecursionError:
        raise too_deep("YAML", text) from None


def _loader(yaml: Any) -> Any:
    class Loader(yaml.SafeLoader):
        """Every scalar is a text, so that `yes` and `1e-5` are what was written; but for null and the merge key."""

        yaml_implicit_resolvers: ClassVar = {
            first: [(tag, regexp) for tag, regexp in rows if tag.endswith((":null", ":merge"))]
            for first, rows in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }
        depth = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            self.depth += 1
            if self.depth > MOST_NESTED:
                raise RecursionError
            node = super().compose_node(parent, index)
            self.depth -= 1
            return node

        def fetch_flow_collection_start(self, token: Any) -> None:
            # Its scanner looks at all levels at each token.
            if self.flow_level > MOST_NESTED:
                raise RecursionError
            super().fetch_flow_collection_start(token)

        def flatten_mapping(self, node: Any) -> None:
            """Merge, and keep one of each key: a row of merges would else double them at each."""
            super().flatten_mapping(node)
            node.value = list({_identity(yaml, key): (key, value) for key, value in node.value}.values())

    for kind in ("int", "float", "bool", "timestamp"):
        Loader.add_constructor(f"tag:yaml.org,2002:{kind}", Loader.construct_yaml_str)
    return Loader


def _identity(yaml: Any, key: Any) -> Any:
    return (key.tag, key.value) if isinstance(key, yaml.ScalarNode) else id(key)


def _walk(yaml: Any, node: Any, text: str, keys: Keys, marks: dict[Keys, Mark], seen: set[int]) -> None:
    """Note the place of each key; refuse a key that stands there twice, and a text that lost its first word."""
    if id(node) in seen:
        return  # an alias
    seen.add(id(node))
    if isinstance(node, yaml.ScalarNode) and node.style is None:
        _check_anchor(node, text)
    if not isinstance(node, yaml.MappingNode) or len(keys) > DEEPEST:
        return
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        here = (*keys, str(key.value))
        if here in marks and not key.tag.endswith(":merge"):
            span = Span(text, key.start_mark.index, key.end_mark.index)
            raise error("key-twice", span, key=str(key.value))
        marks[here] = Mark(_place(key), _place(value) if isinstance(value, yaml.ScalarNode) else None)
        _walk(yaml, value, text, here, marks, seen)


def _place(node: Any) -> tuple[int, int]:
    return node.start_mark.index, node.end_mark.index


def _check_anchor(node: Any, text: str) -> None:
    """`&a - b` is an anchor `a` and the text `- b`: what begins with an operator was meant to go on."""
    start = node.start_mark.index
    if text[start : start + 1] == "&" and node.value[:1] and node.value[0] in "+-*/@":
        anchor = text[start : node.end_mark.index].split()[0]
        raise error("anchor", Span(text, start, start + len(anchor)), anchor=anchor, rest=node.value)


def _advice(text: str, start: int) -> str:
    """How to write a text that YAML takes for something else."""
    end = text.find("\n", start)
    written = text[text.rfind("\n", 0, start) + 1 : end if end >= 0 else None]
    value = written.partition(": ")[2].strip() or written.strip()
    if value[:1] in _MEANT:
        return f"YAML takes the `{value[0]}` {_MEANT[value[0]]}: put the text in quotes"
    if ": " in value or value.endswith(":"):
        return "YAML takes what stands before a colon and a space for a key: put the text in quotes"
    return "check quotes, colons and the depth of the lines"


def write_yaml(data: Mapping[str, Any]) -> str:
    """Plain data as YAML."""
    yaml = _yaml()

    class Dumper(yaml.SafeDumper):  # type: ignore[name-defined]
        """A text of several lines is a block."""

    def text(dumper: Any, value: str) -> Any:
        style = "|" if "\n" in value else None
        # In a block and in a plain text YAML takes some of these for the end of a line.
        if not value.replace("\n", "").isprintable():
            style = '"'
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    return str(yaml.dump(data, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=10_000))


def _yaml() -> Any:
    try:
        import yaml
    except ImportError:
        raise error("not-installed", use="a YAML file", package="PyYAML", install=INSTALL) from None
    return yaml
