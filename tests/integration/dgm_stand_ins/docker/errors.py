"""Stand-in: the errors that the program names."""


class APIError(Exception):
    """Nothing here raises it."""


class NotFound(APIError):
    """No such container."""


class ImageNotFound(NotFound):
    """Nothing here raises it."""


class BuildError(APIError):
    """Nothing here raises it."""
