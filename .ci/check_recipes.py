"""Runs the CI recipes of docs/COMPARING.md as they stand there, in a repository with two versions of a program: the
steps of GitHub Actions and the script of GitLab CI. What belongs to the servers (gh, curl, the checkout) is replaced by
programs that write down how they were called."""

import os
import re
import subprocess
import tempfile
from pathlib import Path

import yaml
from tally import Tally

ROOT = Path(__file__).resolve().parent.parent
tally = Tally()
KNOWN = ["success()", "always()", "always() && hashFiles('comment.md') != ''"]


def recipe(kind):
    """The block of YAML that has this key."""
    blocks = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "docs/COMPARING.md").read_text(), re.M | re.S)
    found = [block for block in map(yaml.safe_load, blocks) if kind in block]
    assert len(found) == 1, f"{len(found)} recipes with {kind}"
    return found[0]


def program(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


class Server:
    """A checkout of a merge of two versions, which take this long."""

    def __init__(self, folder, base_s, new_s):
        self.folder, self.tree, bin = folder, folder / "tree", folder / "bin"
        self.tree.mkdir()
        bin.mkdir()
        (bin / "perfwatch").symlink_to(ROOT / "target/debug/perfwatch")
        # The build: the program is a script in the repository.
        program(bin / "make", 'test "$1" = bench && cp source bench && chmod 755 bench')
        for name in ["gh", "curl"]:
            program(bin / name, f'echo "{name} $*" >>{folder}/called; cp comment.md {folder}/posted')
        self.env = dict(os.environ, PATH=f"{bin}:{os.environ['PATH']}", HOME=str(folder), GIT_CONFIG_NOSYSTEM="1")
        for key in ["name", "email"]:
            self.git("config", "--global", f"user.{key}", "x")
        self.git("init", "--quiet")
        for seconds in [base_s, new_s]:
            program(self.tree / "source", f"exec sleep {seconds}")
            self.git("add", "source")
            self.git("commit", "--quiet", "--allow-empty", "-m", f"sleep {seconds}")
        self.base = self.git("rev-parse", "HEAD^1")

    def git(self, *args):
        return subprocess.run(["git", *args], cwd=self.tree, env=self.env, check=True, capture_output=True, text=True).stdout.strip()

    def run(self, shell, script, **env):
        ran = subprocess.run([*shell, script], cwd=self.tree, env={**self.env, **env}, capture_output=True, text=True)
        self.said = ran.stdout + ran.stderr
        return ran.returncode

    def called(self):
        path = self.folder / "called"
        return path.read_text() if path.exists() else ""


def github(server):
    """The status of the job, as the first step that failed says it."""
    workflow = recipe("jobs")
    status, summary = 0, server.folder / "summary.md"
    said = ""
    for step in workflow["jobs"]["compare"]["steps"]:
        condition = step.get("if", "success()")
        tally.check("a condition that is known here", condition in KNOWN, condition)
        if "run" not in step or status and "always()" not in condition:
            continue
        if "hashFiles" in condition and not (server.tree / "comment.md").exists():
            continue
        script = step["run"].replace("${{ github.event.number }}", "7")
        env = {key: value.replace("${{ github.token }}", "secret") for key, value in step.get("env", {}).items()}
        tally.check("every expression is replaced", "${{" not in script + "".join(env.values()), script)
        # As the runner calls it.
        ended = server.run(["bash", "-e", "-c"], script, GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(summary), **env)
        said += server.said
        status = status or ended
    uploaded = workflow["jobs"]["compare"]["steps"][-1]["with"]["path"].split()
    for path in uploaded:
        tally.check(f"GitHub: {path} is uploaded", (server.tree / path).exists())
    comment = "gh pr comment 7 --edit-last --create-if-none --body-file comment.md"
    tally.check("gh comments", comment in server.called(), server.called)
    tally.check("the table is in the summary", "command.wall_s" in summary.read_text(), summary.read_text)
    return status, said


def gitlab(server):
    job = recipe("performance")["performance"]
    env = {
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": server.base, "CI_API_V4_URL": "https://gitlab.example/api/v4",
        "CI_PROJECT_ID": "3", "CI_MERGE_REQUEST_IID": "9", "GITLAB_TOKEN": "secret",
    }
    status = server.run(["bash", "-e", "-o", "pipefail", "-c"], "\n".join(job["script"]), **env)
    said = server.said
    after = server.run(["bash", "-e", "-c"], "\n".join(job["after_script"]), **env)
    tally.check("after_script", after == 0, server.said)
    for path in [*job["artifacts"]["paths"], job["artifacts"]["reports"]["junit"]]:
        tally.check(f"GitLab: {path} is uploaded", (server.tree / path).exists())
    url = "https://gitlab.example/api/v4/projects/3/merge_requests/9/notes"
    called = server.called()
    tally.check("curl comments", called.rstrip().endswith(url) and "PRIVATE-TOKEN:secret" in called, called)
    return status, said


for name, job in [("GitHub", github), ("GitLab", gitlab)]:
    for new_s, expected in [("0.05", 0), ("0.25", 3)]:
        what = f"{name}, {new_s} s"
        with tempfile.TemporaryDirectory() as folder, tally.group(what):
            server = Server(Path(folder), "0.05", new_s)
            status, said = job(server)
            tally.check(f"{what}: status", status == expected, f"{status}, not {expected}: {said[-2000:]}")
            posted = (server.folder / "posted").read_text()
            tally.check(f"{what}: the comment has the metric", len(posted) < 65536 and "command.wall_s" in posted, posted)
            if expected == 3:
                tally.check(f"{what}: the comment says it", "regressed" in posted, posted)
            if expected == 3 and name == "GitHub":
                tally.check(f"{what}: an annotation", "::error title=perfwatch compare::command.wall_s" in said, said)
tally.finish()
