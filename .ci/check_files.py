"""The Parquet files themselves: types, encodings, pages, and the same result from every reader."""

import base64
import json
import zlib

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from declared import ARROW, DUCKDB
from recorder import schema

try:
    import fastparquet
except ImportError:
    fastparquet = None

ENCODINGS = {"PLAIN", "RLE", "PLAIN_DICTIONARY", "RLE_DICTIONARY", "DELTA_BINARY_PACKED"}
ROWS_OF_A_GROUP = 128 * 1024
ROWS_COMPRESSED = 4
# Files of at most this have one checksum for all columns.
ROWS_TOGETHER = 256
BYTES_TOGETHER = 16 * 1024

# The type of each declared type in each reader; a set if readers of different versions differ.
PANDAS = {
    "timestamp(us, UTC)": {"datetime64[us, UTC]", "datetime64[ns, UTC]"},
    "float64": {"float64"},
    # If a value is null, pandas converts integers to floats.
    "int64": {"int64", "float64"},
    "int32": {"int32", "float64"},
    "bool": {"bool", "object"},
    "string": {"str", "object"},
}
POLARS = {
    "timestamp(us, UTC)": {pl.Datetime("us", "UTC")},
    "float64": {pl.Float64},
    "int64": {pl.Int64},
    "int32": {pl.Int32},
    "bool": {pl.Boolean},
    "string": {pl.String},
}
COMMON = {"ts", "elapsed_s", "phase"}
NUMBERS = {"float64", "int64", "int32"}


def tables(folder):
    """The table folders of a recording."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def check(tally, folder, *, of_this_build=True):
    """The files of a recording. Files of an older build may lack columns that were added later, and checksums."""
    declared = schema()
    found = tables(folder)
    tally.check(f"{folder.name}: has tables", len(found) >= 10, found)
    for path in found:
        if tally.check(f"{path.name} is declared", path.name in declared):
            columns = declared[path.name]
            if not of_this_build:
                there = pq.ParquetFile(next(path.iterdir())).schema_arrow.names
                columns = [column for column in columns if column["name"] in there]
            each_file(tally, path, columns, with_checksums=of_this_build)
            each_reader(tally, path, columns, of_this_build)


def each_file(tally, path, columns, with_checksums):
    names = [column["name"] for column in columns]
    tally.check(f"{path.name}: no column named host", "host" not in names)
    for file in sorted(path.iterdir()):
        name = f"{path.name}/{file.name}"
        tally.check(f"{name} is a Parquet file by name", file.suffix == ".parquet" and not file.name.startswith("."))
        parquet = pq.ParquetFile(file)
        stored = parquet.schema_arrow
        tally.equal(f"{name}: columns as declared", stored.names, names)
        for field, column in zip(stored, columns):
            tally.equal(f"{name}: type of {field.name}", plain(field.type), ARROW[column["type"]])
            said = facts_of(parquet, field)
            if column["unit"] and column["name"] not in COMMON:
                tally.equal(f"{name}: unit of {field.name}", said.get("unit"), column["unit"])
        facts = {key.decode() for key in parquet.metadata.metadata}
        wanted = {"perfwatch.format", "perfwatch.table", "perfwatch.window"}
        wanted |= {"perfwatch.crc"} if with_checksums else set()
        tally.check(f"{name}: has its metadata", wanted <= facts, wanted - facts)
        stamps = parquet.read(["ts"]).column("ts")
        tally.check(f"{name}: rows in time order", pd.Index(stamps.to_pandas()).is_monotonic_increasing)
        chunks(tally, name, file, parquet.metadata)
        if with_checksums:
            checksums(tally, name, file.read_bytes(), parquet.metadata)


def facts_of(parquet, field):
    """Of a column, as described in FORMAT.md."""
    packed = parquet.metadata.metadata.get(b"perfwatch.columns")
    if packed is None:
        return {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
    with pa.input_stream(pa.py_buffer(base64.b64decode(packed)), compression="zstd") as text:
        return json.loads(text.read()).get(field.name, {})


def plain(kind):
    """Files of older builds have dictionaries."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def checksums(tally, name, raw, metadata):
    """As described in FORMAT.md, over every byte of the file."""
    text = metadata.metadata[b"perfwatch.crc"]
    digits = text.removeprefix(b"crc32:")
    footer, index, *sums = (int(digits[at : at + 8], 16) for at in range(0, len(digits), 8))
    groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
    parts = [group.column(column) for group in groups for column in range(metadata.num_columns)]
    tally.equal(f"{name}: the first bytes", raw[:4], b"PAR1")
    at = 4
    length = sum(chunk.total_compressed_size for chunk in parts)
    if len(groups) == 1 and metadata.num_rows <= ROWS_TOGETHER and length + 4 <= BYTES_TOGETHER:
        tally.equal(f"{name}: checksum of all columns", [zlib.crc32(raw[at : at + length])], sums)
        at += length
    else:
        tally.equal(f"{name}: checksums", len(sums), len(parts))
        for chunk, crc in zip(parts, sums):
            end = at + chunk.total_compressed_size
            tally.equal(f"{name}: checksum of {chunk.path_in_schema}", zlib.crc32(raw[at:end]), crc)
            at = end
    begin = len(raw) - 8 - int.from_bytes(raw[-8:-4], "little")
    tally.equal(f"{name}: checksum of the page index", zlib.crc32(raw[at:begin]), index)
    own = raw[begin:].replace(text, text.replace(digits[:8], b"0" * 8, 1))
    tally.equal(f"{name}: checksum of the footer", zlib.crc32(own), footer)


def chunks(tally, name, file, metadata):
    with open(file, "rb") as raw:
        for group in range(metadata.num_row_groups):
            rows = metadata.row_group(group)
            tally.check(f"{name}: size of row group {group}", 0 < rows.num_rows <= ROWS_OF_A_GROUP, rows.num_rows)
            for index in range(metadata.num_columns):
                chunk = rows.column(index)
                what = f"{name}: {chunk.path_in_schema}"
                other = set(chunk.encodings) - ENCODINGS
                tally.check(f"{what}: encodings that all readers know", not other, other)
                expected = "ZSTD" if metadata.num_rows >= ROWS_COMPRESSED else "UNCOMPRESSED"
                # Nulls only are not compressed, unless their column was added later.
                if chunk.compression != expected and chunk.compression == "UNCOMPRESSED":
                    values = pq.ParquetFile(file).read_row_group(group, [chunk.path_in_schema]).column(0)
                    tally.equal(f"{what}: uncompressed nulls", values.null_count, rows.num_rows)
                else:
                    tally.equal(f"{what}: compression", chunk.compression, expected)
                raw.seek(chunk.data_page_offset)
                # A page header in Thrift's compact form begins with field 1, an i32: 0 data page, 3 data page v2.
                tally.equal(f"{what}: a v1 data page", raw.read(2), b"\x15\x00")


def each_reader(tally, path, columns, of_this_build):
    """By folder, as users open it. Version 0.1.0 wrote strings as categories."""
    name = path.name
    by_pandas = pd.read_parquet(path)
    by_polars = pl.read_parquet(f"{path}/*.parquet")
    files = f"'{path}/*.parquet'"
    duckdb_types = {row[0]: row[1] for row in duckdb.sql(f"describe select * from {files}").fetchall()}
    rows = len(by_pandas)
    tally.check(f"{name}: has rows", rows > 0)
    tally.equal(f"{name}: rows in polars", by_polars.height, rows)
    tally.equal(f"{name}: rows in DuckDB", duckdb.sql(f"select count(*) from {files}").fetchall(), [(rows,)])
    by_fastparquet = read_with_fastparquet(path)
    if by_fastparquet is not None:
        tally.equal(f"{name}: rows in fastparquet", len(by_fastparquet), rows)
    for column in columns:
        key, declared = column["name"], column["type"]
        what = f"{name}.{key}"
        pandas_type, polars_type = str(by_pandas[key].dtype), by_polars[key].dtype
        is_old = not of_this_build and declared == "string" and pandas_type == "category"
        tally.check(f"{what} in pandas", is_old or pandas_type in PANDAS[declared], pandas_type)
        tally.check(f"{what} in polars", is_old or any(polars_type == t for t in POLARS[declared]), polars_type)
        tally.equal(f"{what} in DuckDB", duckdb_types.get(key), DUCKDB[declared])
        valid = int(by_pandas[key].notna().sum())
        tally.equal(f"{what}: values in polars", by_polars[key].len() - by_polars[key].null_count(), valid)
        in_duckdb = duckdb.sql(f'select count("{key}") from {files}').fetchall()
        tally.equal(f"{what}: values in DuckDB", in_duckdb, [(valid,)])
        if declared not in NUMBERS or not valid:
            continue
        total = float(by_pandas[key].sum())
        tally.close(f"{what}: sum in polars", float(by_polars[key].sum()), total)
        [(in_duckdb,)] = duckdb.sql(f'select sum("{key}") from {files}').fetchall()
        tally.close(f"{what}: sum in DuckDB", float(in_duckdb), total)
        if by_fastparquet is not None:
            tally.close(f"{what}: sum in fastparquet", float(by_fastparquet[key].sum()), total)


def read_with_fastparquet(path):
    if fastparquet is None:
        return None
    return pd.concat([fastparquet.ParquetFile(str(f)).to_pandas() for f in sorted(path.glob("*.parquet"))])
