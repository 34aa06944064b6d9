"""Stand-in: the kind of a container."""


class Container:
    """Named in the program's annotations."""
