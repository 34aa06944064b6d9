"""A timer of the kernel that kills this process at an instant, unless it is moved on: for a loop that guards itself.

Decides nothing; the guard's session moves it with every renewal, and sets it to the terms' deadline at a pause. It needs
no thread, no interpreter lock and no handler, so that a step that hangs in native code dies as well, and so does one
that was stopped and continued later. Leaves out the children of the process: use ``detente guard -- COMMAND`` for those.

A child made by ``fork`` inherits no timer (timer_create(2)); it dies by other means or not at all.

Source: timer_create(2), timer_settime(2) with CLOCK_BOOTTIME and TIMER_ABSTIME.

>>> switch = DeadMan()
>>> switch.set(time.clock_gettime(time.CLOCK_BOOTTIME) + 3600)
>>> 3590 < switch.left_s() <= 3600
True
>>> switch.disarm(); switch.left_s()
0.0
"""

from __future__ import annotations

import ctypes
import os
import signal
import time

_TIMER_ABSTIME = 1
_SIGEV_SIGNAL = 0


class _Timespec(ctypes.Structure):
    _fields_ = (("tv_sec", ctypes.c_long), ("tv_nsec", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("it_interval", _Timespec), ("it_value", _Timespec))


class _Sigevent(ctypes.Structure):
    # 64 bytes on Linux; the union that follows the three members stays zero for SIGEV_SIGNAL.
    _fields_ = (
        ("sigev_value", ctypes.c_void_p),
        ("sigev_signo", ctypes.c_int),
        ("sigev_notify", ctypes.c_int),
        ("padding", ctypes.c_char * 48),
    )


class DeadMan:
    """SIGKILL for this process at an instant of CLOCK_BOOTTIME. Raises ``OSError`` where the kernel has no such timer."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._timer = ctypes.c_void_p()
        event = _Sigevent(None, int(signal.SIGKILL), _SIGEV_SIGNAL, b"")
        self._check(self._libc.timer_create(time.CLOCK_BOOTTIME, ctypes.byref(event), ctypes.byref(self._timer)))

    def set(self, at_s: float) -> None:
        """Kill at ``at_s``, seconds of CLOCK_BOOTTIME, instead of whenever was set before."""
        at_s = max(at_s, 0.001)  # 0 would disarm it: the opposite of what an instant in the past means.
        whole = int(at_s)
        self._settime(_Timespec(whole, int((at_s - whole) * 1e9)))

    def disarm(self) -> None:
        """Kill nobody."""
        self._settime(_Timespec(0, 0))

    def left_s(self) -> float:
        """Seconds until it kills; 0 when it is disarmed."""
        now = _Itimerspec()
        self._check(self._libc.timer_gettime(self._timer, ctypes.byref(now)))
        return float(now.it_value.tv_sec) + float(now.it_value.tv_nsec) / 1e9

    def _settime(self, value: _Timespec) -> None:
        new = _Itimerspec(_Timespec(0, 0), value)
        self._check(self._libc.timer_settime(self._timer, _TIMER_ABSTIME, ctypes.byref(new), None))

    def _check(self, result: int) -> None:
        if result != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
