//! The files on disk: the recording's directory, manifest, journals and Parquet files, written and read.

pub mod checksums;
pub mod compact;
pub mod journal;
pub mod layout;
pub mod manifest;
pub mod read;
pub mod replay;
pub mod runs;
pub mod verify;
pub mod write;
