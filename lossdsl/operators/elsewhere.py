"""What NumPy, JAX, PyTorch and papers call an operator, or have in place of one -> how it is written here."""

from lossdsl.operators.declaration import OPS

_HERE = {
    "mse": "mean(square(x - y), axis=(time, xy))",
    "mae": "mean(abs(x - y), axis=(time, xy))",
    "rmse": "sqrt(mean(square(x - y), axis=(time, xy)))",
    "l2": "sqnorm(x)",
    "l1": "l1norm(x)",
    "sumsq": "sqnorm(x)",
    "matmul": "matvec(Q, x)",
    "average": "mean(x)",
    "nanmean": "mean(x, where=mask)",
    "nansum": "sum(x, where=mask)",
    "absolute": "abs(x)",
    "amax": "max(x)",
    "amin": "min(x)",
    "pow": "x**2",
    "power": "x**2",
    "add": "x + y",
    "subtract": "x - y",
    "multiply": "x*y",
    "divide": "x/y",
    "heaviside": "greater(x, 0)",
    "last": "final(x)",
    "first": "initial(x)",
    "globally": "violation(always(x < 1))",
    "finally": "violation(eventually(x < 1))",
    "implies": "violation(always(not x < 1 or y < 1))",
}


def called_elsewhere(name: str) -> str:
    """What to write for the name of a function of other libraries, such as `jnp.sum` or `mse`; empty if it is none.

    Example:
        >>> called_elsewhere("jnp.linalg.norm"), called_elsewhere("mse")
        ('write `norm`', 'write for example `mean(square(x - y), axis=(time, xy))`')
    """
    last = name.rpartition(".")[2]
    if last != name and last in OPS:
        return f"write `{last}`"
    return f"write for example `{_HERE[last]}`" if last in _HERE else ""
