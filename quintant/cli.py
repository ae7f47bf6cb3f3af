"""The command `quintant`."""

import typer

from quintant.commands import importing, numbers, rebuilding, sources, stack

app = typer.Typer(
    help="Run a sales organisation by numbers that people can trust.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,
)
stack.register(app)
numbers.register(app)
importing.register(app)
sources.register(app)
rebuilding.register(app)


def main() -> None:
    """Entry point."""
    app()
