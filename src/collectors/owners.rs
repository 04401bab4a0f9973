//! Names that move to another device: an interface is renamed, or a disk is removed and another one gets its name. The counters of
//! the two have nothing to do with each other.

use std::collections::HashMap;

use super::name::Name;

/// Which device has a name, as a number that the kernel uses only once; `None` where it does not tell.
type Identify = Box<dyn Fn(&str) -> Option<u64> + Send>;

/// So many names are remembered, those of devices that are gone included.
const MOST: usize = 10_000;

/// Which device had which name last.
///
/// The kernel lists devices in the order in which they came. So one that gets another's name is seen by the order of the names, and
/// only when that order changes their numbers are read.
pub struct Owners {
    identify: Identify,
    /// The names of the tick before, as they were listed.
    order: Vec<Name>,
    owners: HashMap<Name, Option<u64>>,
}

impl Owners {
    pub fn new(identify: impl Fn(&str) -> Option<u64> + Send + 'static) -> Owners {
        Owners { identify: Box::new(identify), order: Vec::new(), owners: HashMap::new() }
    }

    /// Empties the rows whose name means another device than before, for this tick. Where a name stands twice, because it moved
    /// while the list was read, one row is left, and emptied.
    pub fn keep_apart<R>(&mut self, rows: &mut Vec<R>, name: impl Fn(&R) -> Name, empty: impl Fn(Name) -> R) {
        if rows.iter().map(&name).eq(self.order.iter().copied()) {
            return;
        }
        self.order.clear();
        self.order.extend(rows.iter().map(&name));
        let mut times: HashMap<Name, usize> = HashMap::new();
        for row in &self.order {
            *times.entry(*row).or_default() += 1;
        }
        if self.owners.len() > MOST {
            self.owners.retain(|name, _| times.contains_key(name));
        }
        let mut kept = std::collections::HashSet::new();
        rows.retain(|row| kept.insert(name(row)));
        for row in rows {
            let name = name(row);
            let owner = (self.identify)(name.as_str());
            let before = self.owners.insert(name, owner).flatten();
            // A new one may be listed an instant before it can be asked.
            let is_other = before.is_some() && owner.is_some() && before != owner;
            if is_other || times.get(&name).is_some_and(|times| *times > 1) {
                *row = empty(name);
            }
        }
    }
}
