//! A closed journal becomes Parquet files, one a table; then it is unlinked.
//!
//! Order matters: write to a temporary file, sync it, check it, rename it into the table's folder, sync the folder; when
//! all tables are there, unlink the journal. A crash between any two steps leaves the journal, and the tables whose files
//! had arrived are known by their names: whoever reads takes each table from one place, and whoever seals again writes the
//! same rows under the same names.
//!
//! Bytes that cannot be read are never thrown away: a journal that is damaged before its end, or from its beginning, is
//! kept beside the others as `0001.damaged`.

use arrow::error::ArrowError;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::order::Order;
use super::output::{FileFacts, Output, OutputError};
use crate::journal::{self, Journal, JournalError, Tail};
use crate::recording::{Layout, owner, sync_folder};
use crate::replay::{self, ReplayError};
use crate::schema::TableDef;

/// Rows that are decoded and handed to the Parquet writer at a time.
const BATCH_ROWS: usize = 16 * 1024;

/// Why a journal could not be sealed. It is still there, and nothing in it is lost.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error("cannot write {}: {error}", path.display())]
    Write { path: PathBuf, error: io::Error },
}

/// What sealing a journal left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sealed {
    pub files: usize,
    pub rows: usize,
    pub bytes: u64,
    pub damage: Option<Damage>,
}

/// What could not be read of a journal, and where the journal is kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}; the file is kept as {}", kept.display())]
pub struct Damage {
    pub what: journal::Damage,
    pub kept: PathBuf,
}

/// Seals journal `number` and unlinks it, or sets it aside if it is damaged.
///
/// # Errors
/// The journal stays; calling this again is safe.
pub fn seal(layout: &Layout, number: u32, catalog: &[TableDef], facts: &FileFacts) -> Result<Sealed, SealError> {
    let path = layout.journal(number);
    let journal = Journal::open(&path)?;
    let mut sealed = Sealed::default();
    for table in catalog {
        if let Some((rows, bytes)) = seal_table(layout, &journal, number, table, facts)? {
            sealed.files += 1;
            sealed.rows += rows;
            sealed.bytes += bytes;
        }
    }
    let write = |path: &Path| {
        let path = path.to_path_buf();
        move |error| SealError::Write { path, error }
    };
    match journal.tail()? {
        Tail::Clean | Tail::Torn => fs::remove_file(&path).map_err(write(&path))?,
        Tail::Damaged(what) => {
            let kept = layout.damaged(number);
            fs::rename(&path, &kept).map_err(write(&kept))?;
            sealed.damage = Some(Damage { what, kept });
        }
    }
    sync_folder(&layout.journal_folder()).map_err(write(&layout.journal_folder()))?;
    Ok(sealed)
}

fn seal_table(
    layout: &Layout,
    journal: &Journal,
    number: u32,
    table: &TableDef,
    facts: &FileFacts,
) -> Result<Option<(usize, u64)>, SealError> {
    let Some(window) = journal.header().map(|h| h.window.clone()) else { return Ok(None) };
    let temporary = layout.temporary(&format!("{}-{number:04}", table.name));
    let mut output = Output::new(&temporary, table, &window, facts);
    let mut order = table.order.map(Order::by);
    let ordered = |error: ArrowError| OutputError::Parquet { path: temporary.clone(), error: error.into() };
    let replayed = replay::table(journal, table, BATCH_ROWS, |batch| match &mut order {
        None => output.write(&batch),
        Some(order) => order.add(&batch).map_err(ordered)?.map_or(Ok(()), |group| output.write_group(&group)),
    });
    let rest = |order: &mut Order| order.rest().map_err(ordered);
    let written = match replayed {
        Ok(()) => match order.as_mut().map(rest).transpose()?.flatten() {
            Some(group) => output.write_group(&group).and_then(|()| output.close()),
            None => output.close(),
        }
        .map_err(SealError::from),
        Err(ReplayError::Taker(error)) => Err(error.into()),
        Err(ReplayError::Journal(error)) => Err(error.into()),
        Err(ReplayError::Arrow(error)) => Err(OutputError::parquet(&temporary, error).into()),
    };
    let rows = match written {
        Ok(0) => return Ok(None),
        Ok(rows) => rows,
        Err(error) => {
            // What is half written is of no use to anyone, and on a full disk its room is.
            let _ = fs::remove_file(&temporary);
            return Err(error);
        }
    };
    let target = layout.sealed(table.name, &window, number);
    let folder = layout.table_folder(table.name);
    let arrive = || {
        if !folder.is_dir() {
            owner::make_folder(&folder)?;
            sync_folder(&layout.root)?;
        }
        let bytes = fs::metadata(&temporary)?.len();
        fs::rename(&temporary, &target)?;
        sync_folder(&folder)?;
        Ok(bytes)
    };
    let bytes = arrive().map_err(|error| SealError::Write { path: target.clone(), error })?;
    Ok(Some((rows, bytes)))
}
