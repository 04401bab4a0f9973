#!/usr/bin/env python3
"""Executes the notebook in a clean kernel, and fails if a cell fails. `--write` keeps the outputs in the file."""

import argparse
import os
import sys

os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from recorder import REPOSITORY
from tally import Tally

NOTEBOOK = REPOSITORY / "notebooks/analysis.ipynb"


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--write", action="store_true")
    args = options.parse_args()
    tally = Tally()
    with tally.group("notebook"):
        notebook = nbformat.read(NOTEBOOK, as_version=4)
        committed = [cell.get("outputs") for cell in notebook.cells if cell.cell_type == "code"]
        if not args.write:
            tally.check("is committed with its outputs", all(cell.get("execution_count") for cell in notebook.cells
                                                             if cell.cell_type == "code") and any(committed))
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        client = NotebookClient(notebook, timeout=300, kernel_name="python3", record_timing=False,
                                resources={"metadata": {"path": str(NOTEBOOK.parent)}})
        try:
            client.execute()
        except CellExecutionError as error:
            tally.check("runs", False, str(error)[-2000:])
            tally.finish()
        outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
        pictures = [o for o in outputs if "image/png" in o.get("data", {})]
        tally.check("prints nothing on stderr", not [o for o in outputs if o.get("name") == "stderr"], outputs)
        tally.check("draws pictures", len(pictures) >= 6, len(pictures))
        if args.write:
            # Text that differs between machines is not kept in the file.
            notebook.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
                                 "language_info": {"name": "python"}}
            nbformat.write(notebook, NOTEBOOK)
            print(f"wrote {NOTEBOOK.relative_to(REPOSITORY)}: {NOTEBOOK.stat().st_size} bytes", file=sys.stderr)
    tally.finish()


if __name__ == "__main__":
    main()
