"""The functions of the Client API, over the trainer protocol."""

from __future__ import annotations

import logging
import os
from types import TracebackType
from typing import Any

from .. import client
from ._constants import AnalyticsDataType, FLMetaKey, ParamsType, TaskName
from ._difference import difference
from ._model import FLModel

logger = logging.getLogger("fedlink.flare")

# Set by `python3 -m fedlink.flare --diff`: whole models are sent as what to add to the one
# that was received. The variable tells processes that the script starts.
DIFFERENCES = "FEDLINK_DIFF"
sends_differences = os.environ.get(DIFFERENCES) == "1"

# The variables that name the site and the job.
SITE = "FEDLINK_SITE"
JOB = "FEDLINK_JOB"

_NUMBERS = (AnalyticsDataType.SCALAR, AnalyticsDataType.METRIC)
_TABLES = (AnalyticsDataType.SCALARS, AnalyticsDataType.METRICS)
_NOTES = (
    AnalyticsDataType.PARAMETER,
    AnalyticsDataType.PARAMETERS,
    AnalyticsDataType.TAG,
    AnalyticsDataType.TAGS,
    AnalyticsDataType.TEXT,
)


class ClientAPI:
    """What one rank can do. Only rank 0 speaks with the site."""

    def __init__(self, rank: str) -> None:
        self.rank = rank
        self._task: client.Task | None = None
        self._model: FLModel | None = None
        self._closed = False
        if rank == "0":
            client.connect()

    def _needs_rank_0(self, function: str) -> None:
        if self.rank != "0":
            raise RuntimeError(f"only rank 0 can call {function}!")

    def receive(self, timeout: float | None = None) -> FLModel | None:
        if self.rank != "0" or self._closed:
            return None
        if self._model is None:
            self._leave()
            task = client.next_task(timeout)
            if task is None:
                return None
            self._task = task
            self._model = _model(task)
        return self._model

    def is_running(self) -> bool:
        return self.receive() is not None

    def send(self, model: FLModel, clear_cache: bool = True) -> None:
        if self.rank != "0" or self._closed:
            return
        received, task = self._model, self._task
        if received is None or task is None:
            raise RuntimeError('"receive" needs to be called before sending model!')
        if sends_differences and ParamsType.FULL == model.params_type and received.params is not None:
            model.params = difference(received.params, model.params)
            model.params_type = ParamsType.DIFF
        if model.params is None and model.metrics is None:
            raise RuntimeError("the model to send does not have either params or metrics")
        if task.is_open:
            self._hand_in(task, model)
        else:
            logger.warning("the task has its result already: this one is not sent")
        if clear_cache:
            model.params = model.optimizer_params = None
            received.params = received.optimizer_params = None
            self._model = None

    def _hand_in(self, task: client.Task, model: FLModel) -> None:
        if task.stopped is not None:
            logger.warning("the task was stopped (%s): its result is not sent", task.stopped)
        meta = dict(model.meta or {})
        # Who says nothing counts as one, as with the genuine aggregators.
        weight = meta.pop(FLMetaKey.NUM_STEPS_CURRENT_ROUND, 1)
        task.done(
            model.params,
            weight=weight,
            metrics=_metrics(model.metrics),
            headers=_headers(meta),
            kind="diff" if model.params_type == ParamsType.DIFF else "full",
        )

    def _leave(self) -> None:
        """A task that the script has gone on from without a result."""
        if self._task is not None and self._task.is_open:
            self._task.failed("NoResult: the script went on without sending one")
        self._task = None

    def clear(self) -> None:
        self._model = None

    def shutdown(self) -> None:
        self._closed = True

    def get_job_id(self) -> str:
        return client.job().id if self.rank == "0" else _told(JOB)

    def get_site_name(self) -> str:
        return client.job().site if self.rank == "0" else _told(SITE)

    def system_info(self) -> dict[str, Any]:
        if self.rank != "0":
            return {}
        return {FLMetaKey.SITE_NAME: self.get_site_name(), FLMetaKey.JOB_ID: self.get_job_id()}

    def get_config(self) -> dict[str, Any]:
        exchange = {
            "exchange_format": "numpy",
            "server_expected_format": "numpy",
            "transfer_type": "DIFF" if sends_differences else "FULL",
            "train_task_name": TaskName.TRAIN,
            "eval_task_name": TaskName.EVALUATE,
            "submit_model_task_name": TaskName.SUBMIT_MODEL,
        }
        config = dict(client.job().config) if self.rank == "0" else {}
        return {**config, "TASK_EXCHANGE": exchange, **self.system_info()}

    def get_task_name(self) -> str:
        self._needs_rank_0("get_task_name")
        if self._task is None:
            raise RuntimeError("no current task")
        return self._task.name

    def _is_task(self, name: str) -> bool:
        return self._task is not None and self._task.name == name

    def is_train(self) -> bool:
        self._needs_rank_0("is_train")
        return self._is_task(TaskName.TRAIN)

    def is_evaluate(self) -> bool:
        self._needs_rank_0("is_evaluate")
        return self._is_task(TaskName.EVALUATE)

    def is_submit_model(self) -> bool:
        self._needs_rank_0("is_submit_model")
        return self._is_task(TaskName.SUBMIT_MODEL)

    def log(self, key: str, value: Any, data_type: AnalyticsDataType, **kwargs: Any) -> None:
        if self._closed:
            return
        self._needs_rank_0("log")
        if not isinstance(data_type, AnalyticsDataType):
            raise TypeError(f"expect data_type to be an instance of AnalyticsDataType, but got {type(data_type)}.")
        step = kwargs.get("global_step")
        if data_type in _NUMBERS:
            client.log({key: value}, step)
        elif data_type in _TABLES:
            prefix = f"{key}/" if data_type is AnalyticsDataType.SCALARS else ""
            client.log({f"{prefix}{name}": number for name, number in value.items()}, step)
        elif data_type in _NOTES:
            # Texts stay at the site: they are in its log.
            print(f"{data_type.value} {key} = {value}", flush=True)
        else:
            raise NotImplementedError(f"fedlink.flare does not cover AnalyticsDataType.{data_type.name}, of `{key}`")


def _told(variable: str) -> str:
    """What the site tells all processes: there is one connection, and it is that of rank 0."""
    if (value := os.environ.get(variable)) is None:
        raise RuntimeError(f"{variable} is not set: only rank 0 can ask the site, and others find it there")
    return value


def _model(task: client.Task) -> FLModel:
    meta: dict[str, Any] = dict(task.headers)
    meta |= {FLMetaKey.JOB_ID: task.job.id, FLMetaKey.SITE_NAME: task.job.site}
    params_type = None
    if task.params is not None:
        params_type = ParamsType.DIFF if task.kind == "diff" else ParamsType.FULL
    return FLModel(
        params_type=params_type,
        params=task.params,
        # NVFlare counts rounds from 0.
        current_round=None if task.round is None else max(task.round - 1, 0),
        total_rounds=task.rounds,
        meta=meta,
    )


def _headers(meta: dict[str, Any]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in meta.items():
        if name in (FLMetaKey.JOB_ID, FLMetaKey.SITE_NAME):
            continue
        if isinstance(value, (str, int, float)):
            headers[str(name)] = str(value)
        else:
            _leave_out(f"meta `{name}`", value)
    return headers


def _metrics(metrics: dict[str, Any] | None) -> dict[str, Any] | None:
    """The numbers among them: the genuine Client API takes any value."""
    if metrics is None:
        return None
    numbers: dict[str, Any] = {}
    for name, value in metrics.items():
        try:
            client.as_number(f"metric `{name}`", value)
        except TypeError:
            _leave_out(f"metric `{name}`", value)
        except ValueError:
            # It is warned of when it is sent.
            numbers[name] = value
        else:
            numbers[name] = value
    return numbers


def _leave_out(what: str, value: Any) -> None:
    kind = type(value).__name__
    client.warn_once(what, f"{what} of type {kind} is left out: texts of metadata and numbers can be sent")


class APIContext:
    """What `init` returns."""

    def __init__(self, rank: str | None = None, config_file: str | None = None) -> None:
        self.rank = os.environ.get("RANK", "0") if rank is None else rank
        self.config_file = config_file
        self.api: ClientAPI | None = ClientAPI(self.rank)

    def __enter__(self) -> APIContext:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.api is not None:
            self.api.shutdown()
            self.api = None


_contexts: dict[tuple[str, str | None], APIContext] = {}
_default: APIContext | None = None


def init(rank: str | int | None = None, config_file: str | None = None) -> APIContext:
    global _default
    if rank is None:
        rank = os.environ.get("RANK", "0")
    elif isinstance(rank, int):
        rank = str(rank)
    elif not isinstance(rank, str):
        raise ValueError(f"rank must be a string or an integer but got {type(rank)}")
    context = _contexts.get((rank, config_file))
    if context is None:
        context = APIContext(rank, config_file)
        _contexts[rank, config_file] = _default = context
    else:
        logger.warning("called init() more than once with same parameters. The subsequent calls are ignored")
    return context


def get_context(ctx: APIContext | None = None) -> APIContext:
    context = ctx or _default
    if context is None:
        raise RuntimeError("APIContext is None. Did you call flare.init() before using the Client API?")
    return context


def _api(ctx: APIContext | None) -> ClientAPI:
    api = get_context(ctx).api
    if api is None:
        raise RuntimeError("this APIContext has ended")
    return api


def receive(timeout: float | None = None, ctx: APIContext | None = None) -> FLModel | None:
    return _api(ctx).receive(timeout)


def send(model: FLModel, clear_cache: bool = True, ctx: APIContext | None = None) -> None:
    if not isinstance(model, FLModel):
        raise TypeError("model needs to be an instance of FLModel")
    _api(ctx).send(model, clear_cache)


def system_info(ctx: APIContext | None = None) -> dict[str, Any]:
    return _api(ctx).system_info()


def get_config(ctx: APIContext | None = None) -> dict[str, Any]:
    return _api(ctx).get_config()


def get_job_id(ctx: APIContext | None = None) -> str:
    return _api(ctx).get_job_id()


def get_site_name(ctx: APIContext | None = None) -> str:
    return _api(ctx).get_site_name()


def get_task_name(ctx: APIContext | None = None) -> str:
    return _api(ctx).get_task_name()


def is_running(ctx: APIContext | None = None) -> bool:
    return _api(ctx).is_running()


def is_train(ctx: APIContext | None = None) -> bool:
    return _api(ctx).is_train()


def is_evaluate(ctx: APIContext | None = None) -> bool:
    return _api(ctx).is_evaluate()


def is_submit_model(ctx: APIContext | None = None) -> bool:
    return _api(ctx).is_submit_model()


def log(
    key: str, value: Any, data_type: AnalyticsDataType, ctx: APIContext | None = None, **kwargs: Any
) -> None:
    _api(ctx).log(key, value, data_type, **kwargs)


def clear(ctx: APIContext | None = None) -> None:
    _api(ctx).clear()


def shutdown(ctx: APIContext | None = None) -> None:
    _api(ctx).shutdown()
