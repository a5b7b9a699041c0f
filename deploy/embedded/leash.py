"""Ties a process to the one that started it: `python -I -S leash.py SIGNAL PARENT_PID command…`.

The kernel sends SIGNAL to the command as soon as its parent is gone, however it went, so that a SIGKILL of the launcher
leaves nothing behind. The wish is stated after any change of user (which would clear it) and survives the exec.
Where the kernel knows no such wish (it is Linux's), this process stays between the two and watches instead.
Runs alone: nothing but the standard library, so that it starts in a few milliseconds.
"""

import os
import signal
import sys
import time

PR_SET_PDEATHSIG = 1
_WATCH_INTERVAL_SECONDS = 0.25


def main(arguments: list[str]) -> int:
    """Replace this process by the command (Linux), or watch over it (elsewhere, or with `--watch` first)."""
    watch = arguments[0] == "--watch"
    name, parent, *command = arguments[1:] if watch else arguments
    number = signal.Signals[f"SIG{name}"]
    if watch or sys.platform != "linux":
        return _watch(number, int(parent), command)
    import ctypes

    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0) != 0:
        return _watch(number, int(parent), command)
    if os.getppid() != int(parent):  # it went before the wish was stated
        return 1
    return os.execvp(command[0], command)  # noqa: S606 - replacing this process is the point


def _watch(number: signal.Signals, parent: int, command: list[str]) -> int:
    child = os.fork()
    if child == 0:
        os.execvp(command[0], command)  # noqa: S606 - as above
    for forwarded in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(forwarded, lambda received, _frame: os.kill(child, received))
    told = False
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
        if not told and os.getppid() != parent:
            os.kill(child, number)
            told = True
        time.sleep(_WATCH_INTERVAL_SECONDS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
