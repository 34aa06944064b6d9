"""Stand-in for the download of the data set: one issue, the one that the test's tree knows."""

ISSUE = {
    "instance_id": "django__django-10999",
    "problem_statement": "stand-in",
    "base_commit": "HEAD",
    "patch": "stand-in",
    "test_patch": "stand-in",
}


def load_dataset(_name: str) -> dict:
    """The data set, whatever its name."""
    return {"test": [ISSUE]}
