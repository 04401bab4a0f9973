"""A program on its own terminal, and simulated typing."""

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time

LIMIT = 20


class Terminal:
    """The program leads a session on it, as a login shell does."""

    def __init__(self, *words):
        self.said = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(PS1="$ ", TERM="dumb")
            os.execvp(str(words[0]), [str(word) for word in words])

    def type(self, text):
        os.write(self.fd, text.encode())

    def _read(self, seconds):
        """False when no process has the terminal open any more."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            got = os.read(self.fd, 65536)
        except OSError:
            return False
        self.said += got
        return bool(got)

    def wait_for(self, text):
        """Reads until the program has printed this, and forgets everything before it."""
        text, end = text.encode(), time.monotonic() + LIMIT
        while text not in self.said:
            if time.monotonic() > end or not self._read(0.1):
                raise RuntimeError(f"{text!r} was not printed, only {self.said!r}")
        self.said = self.said.split(text, 1)[1]

    def size(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def modes(self):
        return termios.tcgetattr(self.fd)

    def in_front(self):
        """The process group in the foreground."""
        return os.tcgetpgrp(self.fd)

    def hang_up(self):
        os.close(self.fd)

    def end(self):
        """The status that a shell would see."""
        end = time.monotonic() + LIMIT
        try:
            while time.monotonic() < end:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    code = os.waitstatus_to_exitcode(status)
                    return code if code >= 0 else 128 - code
                try:
                    self._read(0.02)
                except (OSError, ValueError):
                    time.sleep(0.02)
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            raise RuntimeError(f"it did not end; it printed {self.said!r}")
        finally:
            try:
                os.close(self.fd)
            except OSError:
                pass
