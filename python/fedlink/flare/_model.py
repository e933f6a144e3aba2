"""The model that a script receives and sends."""

from __future__ import annotations

from typing import Any

from ._constants import ParamsType

__all__ = ["FLModel", "ParamsType"]


class FLModel:
    """A model with its metrics, rounds and what else is said of it."""

    def __init__(
        self,
        params_type: str | ParamsType | None = None,
        params: Any = None,
        optimizer_params: Any = None,
        metrics: dict[str, Any] | None = None,
        start_round: int | None = 0,
        current_round: int | None = None,
        total_rounds: int | None = None,
        meta: dict[str, Any] | None = None,
    ) -> None:
        if params_type is not None:
            params_type = ParamsType(params_type)
            if params is None:
                raise ValueError(f"params must be provided when params_type is {params_type}")
        elif params is not None:
            params_type = ParamsType.FULL
        for name, table in (("metrics", metrics), ("meta", meta)):
            if table is not None and not isinstance(table, dict):
                raise TypeError(f"{name} must be {dict}, but got {type(table)}.")
        rounds = {"start_round": start_round, "current_round": current_round, "total_rounds": total_rounds}
        for name, number in rounds.items():
            if number is not None and not isinstance(number, int):
                raise TypeError(f"{name} must be an int, but got {type(number)}.")
            if number is not None and number < 0:
                raise ValueError(f"{name} must >= 0, but got {number}")
        self.params_type = params_type
        self.params = params
        self.optimizer_params = optimizer_params
        self.metrics = metrics
        self.start_round = start_round
        self.current_round = current_round
        self.total_rounds = total_rounds
        self.meta = {} if meta is None else meta
        self._summary: dict[str, Any] = {}

    def summary(self) -> dict[str, Any]:
        """What is in it, in short."""
        fields = (
            "params",
            "optimizer_params",
            "metrics",
            "meta",
            "params_type",
            "start_round",
            "current_round",
            "total_rounds",
        )
        for name in fields:
            value = getattr(self, name)
            if not value:
                continue
            if isinstance(value, dict):
                self._summary[name] = len(value)
            elif isinstance(value, (ParamsType, int)):
                self._summary[name] = value
            else:
                self._summary[name] = type(value)
        return self._summary

    def __repr__(self) -> str:
        return str(self.summary())
