"""Write ``docs/reference/cli.md`` from the commands' own ``--help``: ``make cli-docs``.

The page is made whole, so that a command cannot exist without standing in it, nor stand in it without existing.
"""

from collections.abc import Iterator

import click

from tests.repo.tree import ROOT

PAGE = ROOT / "docs" / "reference" / "cli.md"
HEAD = """# Commands

Every command with its own `--help`. `make cli-docs` writes this page; `make test` refuses it when it is out of date.
"""


def commands(
    command: click.Command, parent: click.Context | None = None, name: str = "detente"
) -> Iterator[click.Context]:
    """The context of ``command`` and of every visible command below it, in the order its group lists them."""
    settings = {"terminal_width": 80, "color": False, **command.context_settings}
    context = click.Context(command, info_name=name, parent=parent, **settings)
    yield context
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            child = command.get_command(context, below)
            if child is not None and not child.hidden:
                yield from commands(child, context, below)


def rendered(main: click.Command) -> str:
    """The whole page."""
    parts = [
        f"## {context.command_path}\n\n```text\n{click.unstyle(context.get_help()).rstrip()}\n```\n"
        for context in commands(main)
    ]
    return HEAD + "\n" + "\n".join("\n".join(line.rstrip() for line in part.split("\n")) for part in parts)


def write() -> None:
    """Put the page in its place."""
    from detente.cli import main

    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(rendered(main), "utf-8")


if __name__ == "__main__":
    write()
