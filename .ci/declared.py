"""The types of columns, as `perfwatch schema` declares them, in Arrow and DuckDB."""

import pyarrow as pa

ARROW = {
    "timestamp(us, UTC)": pa.timestamp("us", "UTC"),
    "float64": pa.float64(),
    "int64": pa.int64(),
    "int32": pa.int32(),
    "bool": pa.bool_(),
    "string": pa.string(),
}
DUCKDB = {
    "timestamp(us, UTC)": "TIMESTAMP WITH TIME ZONE",
    "float64": "DOUBLE",
    "int64": "BIGINT",
    "int32": "INTEGER",
    "bool": "BOOLEAN",
    "string": "VARCHAR",
}
