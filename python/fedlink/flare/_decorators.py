"""`@flare.train` and `@flare.evaluate`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from ._api import is_train, receive, send
from ._model import FLModel

Function = Callable[..., Any]

# What `evaluate` found out about the model that the next trained one is sent with.
_metrics: Any = None


def train(_func: Function | None = None, **root_kwargs: Any) -> Any:
    """Sends what the function makes of the model that was received."""
    return _decorated(_trained, _func)


def evaluate(_func: Function | None = None, **root_kwargs: Any) -> Any:
    """Keeps what the function says of the model that was received, or sends it."""
    return _decorated(_evaluated, _func)


def _decorated(step: Callable[[Any], None], function: Function | None) -> Any:
    def decorate(function: Function) -> Function:
        first = next(iter(inspect.signature(function).parameters))

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            value = function(**{**kwargs, first: receive()})
            if value is None:
                raise RuntimeError("return value is None!")
            step(value)
            return value

        return wrapper

    return decorate if function is None else decorate(function)


def _trained(model: Any) -> None:
    global _metrics
    if not isinstance(model, FLModel):
        raise RuntimeError("return value needs to be an FLModel.")
    if _metrics is not None:
        model.metrics, _metrics = _metrics, None
    send(model=model)


def _evaluated(metrics: Any) -> None:
    global _metrics
    if is_train():
        _metrics = metrics
    else:
        send(model=FLModel(metrics=metrics))
