//! What the two threads behind the sink, the [`Syncer`](super::Syncer) and the [`Sealer`](super::Sealer), have to tell.

use super::retain::Deleted;
use super::uniform::Uniform;

/// What the two threads behind the sink have to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A journal could not be synced or sealed, or old files not be deleted, and why. Told once of each.
    Trouble(String),
    /// Old files are gone.
    Deleted(Deleted),
    /// The files of each table have the same columns now; this many files got some.
    Uniform(Uniform, usize),
}
