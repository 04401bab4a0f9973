//! What the NFS server of this machine was asked. Source: `/proc/net/rpc/nfsd`, which the kernel makes when it loads the
//! server.

mod operations;
mod parse;
mod rows;

use std::time::Duration;

use super::collector::{CollectError, Collector, Entry, Opened, Setup, Unavailable};
use super::group::Group;
use crate::linux::files::{HeldFile, SourceError};
use crate::table::sample::Sample;
use parse::{Server, parse};
use rows::{OPERATION, OperationRow, SERVER};

pub const ENTRY: Entry = Entry {
    name: "nfs_server",
    doc: "NFS server: calls, bytes, reply cache, threads, operations",
    groups: &[Group::Default, Group::Sar],
    tables: &[|| SERVER.def(), || OPERATION.def()],
    cadence: Duration::ZERO,
    open,
};

struct NfsServerCollector {
    file: HeldFile,
    /// The operations that had occurred at the previous reading; `None` before the first.
    before: Option<Vec<(&'static str, u32)>>,
}

fn open(setup: &Setup) -> Result<Opened, Unavailable> {
    match HeldFile::open(setup.roots.net("rpc/nfsd")) {
        Ok(file) => Ok(Opened::complete(NfsServerCollector { file, before: None })),
        Err(error) => Err(missing(&error)),
    }
}

fn missing(error: &SourceError) -> Unavailable {
    Unavailable::new(if error.is_missing() {
        format!("this machine is no NFS server: no {}", error.path.display())
    } else {
        error.to_string()
    })
}

impl Collector for NfsServerCollector {
    fn collect(&mut self, _tick: u64, out: &mut Sample) -> Result<(), CollectError> {
        let server = parse(self.file.read()?);
        if server == Server::default() {
            let path = self.file.path().display();
            return Err(CollectError::Other(format!("{path} has none of the counters of an NFS server")));
        }
        let occurred = server.operations.iter().filter(|operation| operation.count > 0);
        let is_new = |key| self.before.as_ref().is_some_and(|before| !before.contains(&key));
        let rows: Vec<OperationRow> = occurred
            .map(|operation| OperationRow {
                version: operation.version,
                name: operations::name(operation.version, operation.number),
                is_new: is_new((operation.version, operation.number)),
                count: operation.count,
            })
            .collect();
        let now = server.operations.iter().filter(|o| o.count > 0).map(|o| (o.version, o.number)).collect();
        self.before = Some(now);
        out.push(&SERVER, &[server]);
        out.push(&OPERATION, &rows);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
