"""What devices could have done in the time they had.

Decides ``devices × hours × 3600 × peak × utilisation``, exactly. Peaks are of dense matrix work, from the makers' data sheets;
where a sheet gives the rate with sparsity, half of it. Utilisation spans from below 1 % to about 90 % in practice
(RAND 2025, arXiv 2507.15916, Table 13), so that where none is declared
device time gives a ceiling and no lower end. ``spec/measure-compute.md`` §4.

>>> spent = DeviceTime(device="h100-sxm", devices=8, hours=Decimal(10), dtype="bf16", least=Decimal("0.3"), most=Decimal("0.5"))
>>> print(operations(spent))
[854928e14, 142488e15]
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from detente.base.errors import Refused, shown
from detente.base.quantity import EXACT, Interval

PEAK_FLOP_S: Final[Mapping[tuple[str, str], Decimal]] = {
    ("v100-sxm", "fp16"): Decimal("125e12"),
    ("a100-sxm", "tf32"): Decimal("156e12"),
    ("a100-sxm", "bf16"): Decimal("312e12"),
    ("a100-sxm", "fp16"): Decimal("312e12"),
    ("h100-sxm", "tf32"): Decimal("494.5e12"),
    ("h100-sxm", "bf16"): Decimal("989.5e12"),
    ("h100-sxm", "fp16"): Decimal("989.5e12"),
    ("h100-sxm", "fp8"): Decimal("1979e12"),
    ("h200-sxm", "tf32"): Decimal("494.5e12"),
    ("h200-sxm", "bf16"): Decimal("989.5e12"),
    ("h200-sxm", "fp16"): Decimal("989.5e12"),
    ("h200-sxm", "fp8"): Decimal("1979e12"),
}
"""NVIDIA's data sheets of V100, A100, H100 and H200; operations a second of one device, dense."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceTime:
    """``devices`` for ``hours`` each, of which between ``least`` and ``most`` of the peak was used (0 to 1)."""

    device: str
    devices: int
    hours: Decimal
    dtype: str
    least: Decimal = Decimal(0)
    most: Decimal = Decimal(1)
    peak_flop_s: Decimal | None = None


def operations(spent: DeviceTime) -> Interval:
    """What they may have done; raises ``Refused`` Q08 where no peak is known and none was declared."""
    peak = spent.peak_flop_s or PEAK_FLOP_S.get((spent.device, spent.dtype))
    if peak is None:
        known = ", ".join(sorted({f"{device} {dtype}" for device, dtype in PEAK_FLOP_S}))
        raise Refused(
            "Q08",
            "not-found",
            got=f"no peak of {shown(spent.device)} in {shown(spent.dtype)}",
            expected=f"one of {known}",
            todo="declare peak_flop_s, dense, from the maker's data sheet",
        )
    at_peak = EXACT.multiply(EXACT.multiply(Decimal(3600 * spent.devices), spent.hours), peak)
    low = EXACT.multiply(at_peak, spent.least) if spent.least else None
    return Interval(low, EXACT.multiply(at_peak, spent.most))
