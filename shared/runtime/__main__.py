"""`python -m shared.runtime topics`: create the topics of the registry, or check those that exist."""

import argparse
import asyncio
import sys
from collections.abc import Sequence

from shared.kernel.errors import QuintantError
from shared.messaging.topics import create_topics
from shared.runtime.entry import EXIT_FAILED, EXIT_SETTINGS, load
from shared.runtime.settings import SettingsError, TopicSettings
from shared.telemetry.logging import configure


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m shared.runtime")
    parser.add_argument("command", choices=["topics"])
    parser.parse_args(argv)
    try:
        settings = load(TopicSettings)
        configure(service="runtime", role="topics", level=settings.log_level, stream=sys.stderr)
        topics = asyncio.run(_topics(settings))
    except SettingsError as error:
        sys.stderr.write(f"topics cannot be created:\n{error}\n")
        return EXIT_SETTINGS
    except QuintantError as error:
        sys.stderr.write(f"topics cannot be created: {error.detail}\n")
        return EXIT_FAILED
    sys.stdout.write("".join(f"{topic}\n" for topic in topics))
    return 0


async def _topics(settings: TopicSettings) -> list[str]:
    return await create_topics(
        settings.kafka,
        prefix=settings.topic_prefix,
        partitions=settings.partitions,
        generation=1,
    )


if __name__ == "__main__":
    raise SystemExit(main())
