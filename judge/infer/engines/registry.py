"""From a run's configuration to what judges, its model loaded; the engines themselves are listed
in :mod:`judge.engine_options`."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from judge.engine_options import engine_kind
from judge.errors import UsageError
from judge.infer.engines.protocol import Engine
from judge.models import attributes_known, refuse_reward
from judge.prompt import Template, load_template

if TYPE_CHECKING:
    from judge.config import JudgeConfig
    from judge.infer.engines.writing import Writer
    from judge.infer.protocols import Streamed
    from judge.respond_config import RespondConfig

Note = Callable[[str], None]


def load_engine(
    config: JudgeConfig,
    note: Note = lambda text: None,
    template: Template | None = None,
    **others: Any,
) -> Engine:
    """Return the engine that ``config`` asks for, its model loaded.

    Args:
        note: told what a person should know of the engine, now and while it judges.
        template: the prompts' template; None: the one that ``config`` names.
        others: what no option has, for the engine's own function.

    Raises:
        UsageError: for an engine that is not installed or judges files alone, or a model that is
            missing or damaged, in one line.
    """
    if engine_kind(config.engine).judges_windows:
        raise UsageError(
            f"engine {config.engine} has no dry run; engine vllm counts the same tokens"
        )
    engine: Engine = _loaded(config, template or load_template(config.template_name), note, others)
    return engine


def load_streamed(config: JudgeConfig, template: Template, note: Note) -> Streamed:
    """Return who judges whole windows, for an engine that does so; as :func:`load_engine`."""
    judge: Streamed = _loaded(config, template, note, {})
    return judge


def load_writer(config: RespondConfig, note: Note = lambda text: None) -> Writer:
    """Return who writes the answers that ``config`` asks for, the model loaded.

    Args:
        note: told what a person should know of the model.

    Raises:
        UsageError: as :func:`load_engine`; for a reward model, too.
    """
    refuse_reward(config.model)
    _check_attributes(config, note)
    kind = engine_kind(config.engine)
    kind.check_installed(config.engine)
    module, _, function = kind.write.partition(":")
    writer: Writer = getattr(import_module(module), function)(config, note)
    return writer


def _check_attributes(config: RespondConfig, note: Note) -> None:
    """Refuse attributes that the model does not know, before it is loaded; tell of those it knows.

    Raises:
        UsageError: as :func:`judge.infer.engines.writing.opening_of`.
    """
    from judge.infer.engines.writing import opening_of

    if config.engine == "server":
        return
    if config.attributes is not None:
        note(f"attributes: {opening_of(config).strip()}")
    elif known := attributes_known(config.model):
        note(f"the model was trained to be told {', '.join(known)}; --attributes is not given")


def _loaded(config: JudgeConfig, template: Template, note: Note, others: dict[str, Any]) -> Any:
    kind = engine_kind(config.engine)
    kind.check_installed(config.engine)
    module, _, function = kind.load.partition(":")
    return getattr(import_module(module), function)(config, template, note, **others)
