"""A copy of a recording whose software events have the names of hardware events, which not every machine counts."""

import shutil

import pyarrow as pa
import pyarrow.parquet as pq


def events_renamed(recording, folder, names):
    """`names`: old → new; other events keep theirs. Returns the folder."""
    shutil.copytree(recording, folder)
    for file in (folder / "perf").glob("*.parquet"):
        rows = pq.read_table(file)
        events = pa.array([names.get(event, event) for event in rows["event"].to_pylist()]).dictionary_encode()
        place = rows.schema.get_field_index("event")
        rows = rows.set_column(place, rows.schema.field("event"), events)
        # The checksums are those of the other file.
        own = pq.read_metadata(file).metadata
        kept = {key: value for key, value in own.items() if key not in (b"perfwatch.crc", b"ARROW:schema")}
        pq.write_table(rows.replace_schema_metadata(kept), file, compression="zstd")
    return folder
