"""Stand-in: what the benchmark says of one issue."""

from dataclasses import dataclass


@dataclass
class Spec:
    """One issue; its script sets nothing up."""

    name: str
    eval_script: str = "true\ntrue\ntrue\n"

    def get_instance_container_name(self, run_id: str) -> str:
        return f"{self.name}-{run_id}"


def make_test_spec(entry: dict) -> Spec:
    """Of one issue."""
    return Spec(entry["instance_id"])
