"""Every command's help ends with an example, and the example is one that the command takes."""

import shlex
from collections.abc import Iterator

import click
import pytest

from detente.cli import main


def commands(group: click.Group, *path: str) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)
        else:
            yield (*path, name)


@pytest.mark.parametrize("path", list(commands(main)), ids=" ".join)
def test_the_help_of_every_command_has_an_example_that_parses(path: tuple[str, ...]):
    """Whoever copies it gets no `no such option`; every option says what it does."""
    command: click.Command | None = main
    for name in path:
        assert isinstance(command, click.Group)
        command = command.get_command(click.Context(command), name)
    assert command is not None
    assert command.epilog, "no example"
    words = shlex.split(command.epilog.removeprefix("Such as: ").partition(" > ")[0])  # where it goes to is the shell's
    assert tuple(words[: len(path) + 1]) == ("detente", *path)
    # Below `detente`, as in life: the first context that a command has decides for good how its help is asked for.
    command.make_context(path[-1], words[len(path) + 1 :], parent=click.Context(main, **main.context_settings))
    assert [each.name for each in command.params if isinstance(each, click.Option) and not each.help] == []
