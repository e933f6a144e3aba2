"""Errors in words."""


def describe(error: BaseException) -> str:
    """The type of an error, a colon, and its text."""
    kind = type(error)
    name = kind.__qualname__
    if kind.__module__ not in ("builtins", "__main__"):
        name = f"{kind.__module__}.{name}"
    # The site keeps as many bytes of it.
    return f"{name}: {error}".encode(errors="replace")[:1_024].decode(errors="ignore")
