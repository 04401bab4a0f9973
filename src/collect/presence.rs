//! Since when devices have been present without a gap. A device that was absent at one reading and is present at the
//! next was plugged in or created in between. A name may also move to another device: an interface is renamed, or a
//! disk is removed and another one gets its name. Then it is another device under the old name, and the counters of the
//! two are unrelated.

use std::collections::{HashMap, HashSet};

use crate::linux::name::Name;

/// Which device has a name, as a number that the kernel uses only once; `None` if it is unknown.
type Identify = Box<dyn Fn(&str) -> Option<u64> + Send>;

/// Follows devices by their names, with some facts about each.
///
/// The kernel lists devices in the order in which they appeared. So if a device gets the name of another, the order of
/// the names changes, and only then are the numbers read.
pub struct Presence<T> {
    identify: Identify,
    /// The names of the previous reading, in the listed order.
    order: Vec<Name>,
    known: HashMap<Name, Present<T>>,
    /// Readings so far.
    readings: u64,
}

/// A device that is present.
#[derive(Debug, Default)]
pub struct Present<T> {
    /// The number of the reading at which it appeared.
    pub since: u64,
    seen: u64,
    number: Option<u64>,
    pub facts: T,
}

/// Absent devices are forgotten when there are this many.
const SPARE: usize = 256;

impl<T: Default> Presence<T> {
    pub fn new(identify: impl Fn(&str) -> Option<u64> + Send + 'static) -> Self {
        Presence { identify: Box::new(identify), order: Vec::new(), known: HashMap::new(), readings: 0 }
    }

    /// Handles the next reading. `each` is called with every row, the facts about its device, and whether the device
    /// just appeared. Rows with the same name are removed: the name moved while the list was read, and nothing tells
    /// which row belongs to which device.
    pub fn follow<R>(
        &mut self,
        rows: &mut Vec<R>,
        name: impl Fn(&R) -> Name,
        mut each: impl FnMut(&mut R, &mut Present<T>, bool),
    ) {
        let is_same_order = rows.iter().map(&name).eq(self.order.iter().copied());
        if !is_same_order {
            self.order.clear();
            self.order.extend(rows.iter().map(&name));
            let mut seen = HashSet::new();
            let twice: HashSet<Name> = self.order.iter().copied().filter(|name| !seen.insert(*name)).collect();
            if !twice.is_empty() {
                rows.retain(|row| !twice.contains(&name(row)));
                self.order.clear();
            }
        }
        if self.known.len() > 2 * rows.len() + SPARE {
            self.known.retain(|_, present| present.seen == self.readings);
        }
        self.readings += 1;
        let reading = self.readings;
        for row in rows {
            let present = self.known.entry(name(row)).or_default();
            let was_away = present.since == 0 || present.seen + 1 < reading;
            let number = if is_same_order { present.number } else { (self.identify)(name(row).as_str()) };
            // A new device may be listed shortly before its number can be read.
            let is_other = number.zip(present.number).is_some_and(|(now, before)| now != before);
            if was_away || is_other {
                *present = Present { since: reading, ..Present::default() };
            }
            (present.seen, present.number) = (reading, number);
            each(row, present, was_away || is_other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text.as_bytes()).unwrap()
    }

    /// The devices of a reading, with the numbers of the readings at which they appeared.
    fn since(presence: &mut Presence<u32>, names: &[&str]) -> Vec<(String, u64)> {
        let mut rows: Vec<(Name, u64)> = names.iter().map(|text| (name(text), 0)).collect();
        presence.follow(&mut rows, |row| row.0, |row, present, _| row.1 = present.since);
        rows.into_iter().map(|(name, since)| (name.as_str().to_string(), since)).collect()
    }

    fn are(found: Vec<(String, u64)>, wanted: &[(&str, u64)]) {
        assert_eq!(found, wanted.iter().map(|(name, since)| (name.to_string(), *since)).collect::<Vec<_>>());
    }

    #[test]
    fn a_device_that_was_absent_is_another_device() {
        let mut presence = Presence::new(|_| None);
        for _ in 0..2 {
            are(since(&mut presence, &["sda", "dm-3"]), &[("sda", 1), ("dm-3", 1)]);
        }
        are(since(&mut presence, &["sda"]), &[("sda", 1)]);
        for _ in 0..2 {
            are(since(&mut presence, &["sda", "dm-3"]), &[("sda", 1), ("dm-3", 4)]);
        }
    }

    #[test]
    fn a_device_whose_name_moved_is_another_device() {
        let numbers = std::sync::Arc::new(std::sync::Mutex::new(HashMap::from([("eth0", 2), ("eth1", 3)])));
        let of = numbers.clone();
        let mut presence = Presence::new(move |name| of.lock().unwrap().get(name).copied());
        are(since(&mut presence, &["eth0", "eth1"]), &[("eth0", 1), ("eth1", 1)]);
        // Another device appears that cannot be identified yet.
        are(since(&mut presence, &["eth0", "eth1", "veth7"]), &[("eth0", 1), ("eth1", 1), ("veth7", 2)]);
        numbers.lock().unwrap().extend([("eth0", 3), ("eth1", 2), ("veth7", 9)]);
        are(since(&mut presence, &["eth1", "eth0", "veth7"]), &[("eth1", 3), ("eth0", 3), ("veth7", 2)]);
        // Listed twice: it is unknown which row belongs to which device.
        for _ in 0..2 {
            are(since(&mut presence, &["eth1", "veth7", "veth7"]), &[("eth1", 3)]);
        }
        are(since(&mut presence, &["eth1", "eth9", "veth7"]), &[("eth1", 3), ("eth9", 6), ("veth7", 6)]);
    }

    #[test]
    fn the_facts_of_a_device_are_forgotten_with_it() {
        let mut presence: Presence<u32> = Presence::new(|_| None);
        let mut follow = |names: &[&str], facts: u32| {
            let mut rows: Vec<Name> = names.iter().map(|text| name(text)).collect();
            let mut found = None;
            presence.follow(
                &mut rows,
                |row| *row,
                |_, present, is_new| {
                    found = Some((std::mem::replace(&mut present.facts, facts), is_new));
                },
            );
            found
        };
        assert_eq!(follow(&["eth0"], 7), Some((0, true)));
        assert_eq!(follow(&["eth0"], 7), Some((7, false)));
        assert_eq!(follow(&[], 7), None);
        assert_eq!(follow(&["eth0"], 7), Some((0, true)));
    }

    #[test]
    fn thousands_of_absent_devices_are_forgotten() {
        let mut presence: Presence<u32> = Presence::new(|_| None);
        for i in 0..5000 {
            since(&mut presence, &[&format!("veth{i}")]);
        }
        assert!(presence.known.len() <= SPARE + 3);
    }
}
