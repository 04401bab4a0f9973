#!/usr/bin/env python3
"""Executes the notebooks in clean kernels, and compares what they print with `perfwatch report` on the same recordings.

Without names all of them. `--write` keeps the outputs in the files.
"""

import argparse
import ast
import os
import re
import sys

os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from notebook_facts import FACTS
from recorder import REPOSITORY
from tally import Tally

FOLDER = REPOSITORY / "notebooks"
MOST_BYTES = 150_000
MOST_LINES_BEFORE_A_PICTURE = 10
# What readers have anyway: no helper package, also not one of ours.
PACKAGES = {"duckdb", "matplotlib", "pandas", "polars"}


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("names", nargs="*", metavar="NAME")
    options.add_argument("--write", action="store_true")
    args = options.parse_args()
    tally = Tally()
    paths = sorted(FOLDER.glob("*.ipynb"))
    tally.equal("every notebook has facts to check", {path.stem for path in paths}, set(FACTS))
    for path in paths:
        if not args.names or path.stem in args.names:
            with tally.group(f"notebook {path.stem}"):
                check(tally, path, args.write)
    tally.finish()


def check(tally, path, write):
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    committed = printed(code)
    check_source(tally, code)
    for cell in code:
        cell.outputs, cell.execution_count = [], None
    client = NotebookClient(
        notebook, timeout=300, kernel_name="python3", record_timing=False, resources={"metadata": {"path": str(FOLDER)}}
    )
    try:
        client.execute()
    except CellExecutionError as error:
        tally.check("runs", False, str(error)[-2000:])
        return
    outputs = [output for cell in code for output in cell.outputs]
    tally.check("prints nothing on stderr", not [o for o in outputs if o.get("name") == "stderr"], outputs)
    check_pictures(tally, code)
    facts = list(FACTS[path.stem](printed(code)))
    tally.check("has facts", facts)
    for name, shown, expected in facts:
        # As exact as it is printed.
        digits = len(shown.split("e")[0].partition(".")[2])
        tally.close(f"fact: {name}", float(shown), expected, relative=1e-9, absolute=0.51 * 10.0**-digits)
    if write:
        # Text that differs between machines is not kept in the file.
        notebook.metadata = {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
        nbformat.write(notebook, path)
    else:
        tally.equal("is committed with the text that it prints", committed, printed(code))
    tally.check("is small", path.stat().st_size <= MOST_BYTES, path.stat().st_size)


def check_source(tally, code):
    first = code[0].source.splitlines()[0]
    tally.check("begins with how to use it for one's own recording", re.match("# For your own", first), first)
    imported = set()
    for cell in code:
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module.split(".")[0])
    others = imported - PACKAGES - set(sys.stdlib_module_names)
    tally.check("needs no other package", not others, others)


def check_pictures(tally, code):
    lines, most = 0, None
    pictures = 0
    for cell in code:
        found = sum("image/png" in output.get("data", {}) for output in cell.outputs)
        lines += sum(bool(line.strip()) and not line.strip().startswith("#") for line in cell.source.splitlines())
        if found and most is None:
            most = lines
        pictures += found
    tally.check("draws pictures", pictures >= 3, pictures)
    few = most is not None and most <= MOST_LINES_BEFORE_A_PICTURE
    tally.check("has few lines of code before the first picture", few, most)


def printed(code):
    """What the cells print, without the names of pictures."""
    text = []
    for cell in code:
        for output in cell.get("outputs", []):
            if "image/png" not in output.get("data", {}):
                text.append(output.get("text") or output.get("data", {}).get("text/plain", ""))
    return "\n".join(text)


if __name__ == "__main__":
    main()
