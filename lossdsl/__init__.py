"""lossdsl: the loss of a JAX controller as one line of text."""

from importlib.metadata import version

from lossdsl.errors import (
    LossAxesError as LossAxesError,
    LossDataError as LossDataError,
    LossError as LossError,
    LossNameError as LossNameError,
    LossSyntaxError as LossSyntaxError,
    LossValueError as LossValueError,
)
from lossdsl.loss import AbstractLoss as AbstractLoss, CompositeLoss as CompositeLoss, compile as compile
from lossdsl.parse import parse as parse
from lossdsl.values import LossDict as LossDict
from lossdsl.vocabulary import (
    FEEDBAX as FEEDBAX,
    Definition as Definition,
    Parameter as Parameter,
    Quantity as Quantity,
    Vocabulary as Vocabulary,
)

__version__ = version("lossdsl")
