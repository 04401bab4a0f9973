//! If nothing that was requested can be counted, the table `perf_status` says so for each interval.

use super::requests::requests;
use super::rows::{PERF_STATUS, StatusRow};
use super::syscall::open::kernel;
use crate::collect::collector::{CollectError, Collector, Setup, Unavailable};
use crate::events::request::events_of;
use crate::table::sample::Sample;

/// Stands in for counters that could not be opened.
pub struct Uncounted {
    /// The same row at each tick.
    row: [StatusRow; 1],
}

impl Uncounted {
    pub fn new(setup: &Setup, why: &Unavailable) -> Uncounted {
        let requests = requests(setup, &kernel()).unwrap_or_default();
        let events = events_of(&requests);
        let names: Vec<&str> = events.iter().map(|event| &*event.text).collect();
        Uncounted { row: [StatusRow::uncounted(&names.join(","), &why.reason)] }
    }

    /// The collector, in the form needed by [`Unavailable::instead`].
    pub fn boxed(setup: &Setup, why: &Unavailable) -> Box<dyn Collector> {
        Box::new(Uncounted::new(setup, why))
    }
}

impl Collector for Uncounted {
    fn collect(&mut self, _tick: u64, out: &mut Sample) -> Result<(), CollectError> {
        out.push(&PERF_STATUS, &self.row);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::choose;
    use super::super::options::{Backend, PerfOptions};
    use super::super::syscall::open::{Ask, Kernel};
    use super::*;
    use crate::collect::options::Options;
    use crate::events::pmu::tests::{roots, tree};
    use crate::table::sample::Cell;

    #[test]
    fn each_tick_has_a_row_even_if_nothing_is_counted() {
        let dir = tree(&[("devices/system/cpu/online", "0\n")]);
        let events = vec!["cycles".into(), "{instructions,cs}:k".into()];
        let perf = PerfOptions { backend: Backend::Syscall, events, ..PerfOptions::default() };
        let setup = Setup::new(roots(&dir), Options { perf, ..Options::default() });
        let nothing: Kernel = std::sync::Arc::new(|_: &Ask| Err(libc::ENOENT));
        let why = choose::open(&setup, &nothing).err().unwrap();
        let mut instead = why.instead.expect("a stand-in")(&setup, &why);
        let catalog = vec![PERF_STATUS.def()];
        for tick in 0..3 {
            let mut sample = Sample::new(&catalog);
            instead.collect(tick, &mut sample).unwrap();
            assert_eq!(sample.blocks.len(), 1);
            let cells = sample.cells_of(&sample.blocks[0]);
            let text = |cell: Cell| match cell {
                Cell::Text(id) => sample.texts.get(id).map(str::to_string),
                _ => None,
            };
            assert_eq!(cells[0], Cell::Bool(false));
            assert_eq!(text(cells[1]).as_deref(), Some("cycles,instructions:k,cs:k"));
            assert_eq!(text(cells[2]).as_deref(), Some(&*why.reason));
        }
    }

    #[test]
    fn a_mistake_or_another_machine_has_no_stand_in() {
        let dir = tree(&[("devices/system/cpu/online", "0\n")]);
        let open = |perf: PerfOptions| {
            let setup = Setup::new(roots(&dir), Options { perf, ..Options::default() });
            choose::open(&setup, &super::super::testing::software_only()).err().unwrap()
        };
        let captured = open(PerfOptions::default());
        assert!(captured.instead.is_none() && !captured.is_mistake, "{captured:?}");
        let mistake = open(PerfOptions { events: vec!["cs:".into()], ..PerfOptions::default() });
        assert!(mistake.instead.is_none() && mistake.is_mistake, "{mistake:?}");
    }
}
