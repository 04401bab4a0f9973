"""Counts checks. The last line of a script that uses it is `N passed, N failed`, on its own line."""

import sys
import traceback
from contextlib import contextmanager


class Tally:
    def __init__(self):
        self.passed = 0
        self.failed = 0

    def check(self, name, holds, detail=""):
        """One check. `detail` says what was found instead; a callable is only called on failure."""
        if holds:
            self.passed += 1
            return True
        self.failed += 1
        print(f"FAILED: {name}: {detail() if callable(detail) else detail}", flush=True)
        return False

    def equal(self, name, ours, theirs):
        return self.check(name, ours == theirs, lambda: f"{ours!r} is not {theirs!r}")

    def close(self, name, ours, theirs, relative=1e-9, absolute=1e-12):
        if ours is None or theirs is None:
            return self.equal(name, ours, theirs)
        near = abs(ours - theirs) <= max(absolute, relative * max(abs(ours), abs(theirs)))
        return self.check(name, near, lambda: f"{ours!r} is not near {theirs!r}")

    def trials(self, check, times=3):
        """A check of live values, `check(tally)`. A hypervisor or another program may take the CPU between two readings
        of one value, which one side counts and the other does not. So it is run again if something differs, and what
        differs every time is a failure."""
        always = None
        for attempt in range(times):
            trial = Trial()
            check(trial)
            always = trial.differing.keys() if always is None else always & trial.differing.keys()
            if not always:
                break
            if attempt + 1 < times:
                print(f"differs, attempt {attempt + 1}: {'; '.join(trial.differing.values())}", flush=True)
        self.passed += trial.passed
        self.failed += len(always)
        for name in sorted(always):
            print(f"FAILED: {trial.differing[name]}", flush=True)

    @contextmanager
    def group(self, name):
        """Prints the result of a group; an exception is one failure and does not end the other groups."""
        before = self.passed, self.failed
        try:
            yield
        except Exception:
            self.failed += 1
            print(f"FAILED: {name} stopped early:\n{traceback.format_exc()}", flush=True)
        print(f"{name}: {self.passed - before[0]} passed, {self.failed - before[1]} failed", flush=True)

    def finish(self):
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        # A run that checked nothing has proved nothing.
        sys.exit(1 if self.failed or not self.passed else 0)


class Trial(Tally):
    """Counts without a word: what differs may be looked at again."""

    def __init__(self):
        super().__init__()
        self.differing = {}

    def check(self, name, holds, detail=""):
        if holds:
            self.passed += 1
        else:
            self.failed += 1
            self.differing[name] = f"{name}: {detail() if callable(detail) else detail}"
        return holds
