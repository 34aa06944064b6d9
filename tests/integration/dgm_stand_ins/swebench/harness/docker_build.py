"""Stand-in: the benchmark's images and containers; a container is as empty as the program expects it."""

from docker import Container


def build_env_images(*_arguments, **_named) -> None:
    """Nothing is built."""


def build_container(spec, _client, run_id, *_arguments, **_named) -> Container:
    """A folder."""
    made = Container(spec.get_instance_container_name(run_id))
    (made.root / "testbed").mkdir()
    return made


def cleanup_container(_client, container, _logger) -> None:
    """The folder is gone."""
    container.remove()
