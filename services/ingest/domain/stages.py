"""Whether the stage that a deal names means anything yet. If not, the event waits: a stage map may come."""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.kernel.errors import Fault, InvalidInputError
from shared.sales.company import DEFAULT_PIPELINE, Pipelines


class UnknownStageError(InvalidInputError):
    """A deal names a stage that is neither configured nor mapped."""

    slug = "unknown-stage"


@dataclass(frozen=True, slots=True)
class StageNamed:
    """The stage that a deal event says, in the words of its source."""

    source: str
    pipeline: str
    label: str

    @property
    def stage_map(self) -> str:
        """The id of the stage map that would explain it."""
        return f"{self.source}#{self.pipeline}"


def stages_named(source: str, said: Mapping[str, object], pipelines: Pipelines) -> list[StageNamed]:
    """The stage that a deal's said fields name, once for each pipeline that may be meant; empty if they name none.

    A partial update says the stage alone: then the deal may be in any pipeline. The default one comes first.
    """
    label, pipeline = said.get("stage"), said.get("pipeline_id")
    if not isinstance(label, str):
        return []
    if isinstance(pipeline, str):
        return [StageNamed(source, pipeline, label)]
    if "pipeline_id" in said:
        return [StageNamed(source, DEFAULT_PIPELINE, label)]
    others = (name for name in pipelines.stages if name != DEFAULT_PIPELINE)
    return [StageNamed(source, name, label) for name in (DEFAULT_PIPELINE, *others)]


def is_clear(said: Mapping[str, object], pipelines: Pipelines) -> bool:
    """Whether a deal's said fields name no stage, or one that is itself a stage of a pipeline that may be meant."""
    label, pipeline = said.get("stage"), said.get("pipeline_id")
    if not isinstance(label, str):
        return True
    if isinstance(pipeline, str):
        return pipelines.knows(pipeline, label)
    if pipelines.knows(DEFAULT_PIPELINE, label):
        return True
    return "pipeline_id" not in said and any(pipelines.knows(name, label) for name in pipelines.stages)


def unknown_stage(named: StageNamed) -> UnknownStageError:
    """What to tell the sender."""
    return UnknownStageError(
        f"The stage is not one of pipeline {named.pipeline!r}, and no stage map {named.stage_map!r} maps it. The event "
        "waits in the quarantine: send a stage-map event with that id, then it is taken in by itself.",
        faults=[Fault("/data/stage", "is not a known stage")],
    )
