//! Messages of the two threads of the sink: [`Syncer`](super::Syncer) and [`Sealer`](super::Sealer).

use super::retain::Deleted;
use super::uniform::Uniform;

/// A message of one of the threads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// Why a journal could not be synced or sealed, or old files could not be deleted. Sent once per problem.
    Problem(String),
    /// Old files were deleted.
    Deleted(Deleted),
    /// The files of each table now have the same columns; this number of files got additional ones.
    Uniform(Uniform, usize),
}
