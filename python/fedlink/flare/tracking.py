"""Writers that look like those of TensorBoard, Weights & Biases and MLflow. Numbers go to the
coordinator as metrics; parameters, tags and texts stay in the log of the site."""

from __future__ import annotations

from typing import Any

from ._api import APIContext, get_context, log
from ._constants import AnalyticsDataType

__all__ = ["MLflowWriter", "SummaryWriter", "WandBWriter"]


class _Writer:
    def __init__(self, ctx: APIContext | None = None) -> None:
        self.ctx = get_context(ctx)

    def _log(self, key: str, value: Any, data_type: AnalyticsDataType, step: int | None = None) -> None:
        log(key, value, data_type, ctx=self.ctx, global_step=step)


class SummaryWriter(_Writer):
    def add_scalar(self, tag: str, scalar: float, global_step: int | None = None, **kwargs: Any) -> None:
        self._log(tag, scalar, AnalyticsDataType.SCALAR, global_step)

    def add_scalars(self, tag: str, scalars: dict[str, float], global_step: int | None = None, **kwargs: Any) -> None:
        self._log(tag, scalars, AnalyticsDataType.SCALARS, global_step)

    def flush(self) -> None:
        pass


class WandBWriter(_Writer):
    def log(self, metrics: dict[str, float], step: int | None = None) -> None:
        self._log("metrics", metrics, AnalyticsDataType.METRICS, step)


class MLflowWriter(_Writer):
    def log_param(self, key: str, value: Any) -> None:
        self._log(key, value, AnalyticsDataType.PARAMETER)

    def log_params(self, values: dict[str, Any]) -> None:
        self._log("params", values, AnalyticsDataType.PARAMETERS)

    def log_metric(self, key: str, value: float, step: int | None = None) -> None:
        self._log(key, value, AnalyticsDataType.METRIC, step)

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self._log("metrics", metrics, AnalyticsDataType.METRICS, step)

    def log_text(self, text: str, artifact_file_path: str) -> None:
        self._log(artifact_file_path, text, AnalyticsDataType.TEXT)

    def set_tag(self, key: str, tag: Any) -> None:
        self._log(key, tag, AnalyticsDataType.TAG)

    def set_tags(self, tags: dict[str, Any]) -> None:
        self._log("tags", tags, AnalyticsDataType.TAGS)
