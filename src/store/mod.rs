//! The files on disk: the recording's directory, manifest, journals and Parquet files, written and read; and packs, which
//! hold all of them in one file.

pub mod checksums;
pub mod compact;
pub mod journal;
pub mod layout;
pub mod manifest;
pub mod pack;
pub mod read;
pub mod replay;
pub mod runs;
pub mod verify;
pub mod write;
