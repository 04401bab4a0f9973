//! Since when things are there without a gap. A device that was away at one reading and is there at the next was plugged in or
//! made meanwhile: it is another under the old name, and its counters began again.

use std::collections::HashMap;

use super::name::Name;

/// Follows devices by their names, with something that is known of each.
#[derive(Debug)]
pub struct Presence<T> {
    known: HashMap<Name, Present<T>>,
    /// Readings so far.
    readings: u64,
}

/// A device that is there.
#[derive(Debug, Default)]
pub struct Present<T> {
    /// The reading at which it appeared.
    pub since: u64,
    seen: u64,
    pub facts: T,
}

/// Those who are gone are forgotten once there are so many.
const SPARE: usize = 256;

impl<T: Default> Presence<T> {
    pub fn new() -> Self {
        Presence { known: HashMap::new(), readings: 0 }
    }

    /// The next reading, of so many devices.
    pub fn next(&mut self, count: usize) {
        if self.known.len() > 2 * count + SPARE {
            self.known.retain(|_, present| present.seen == self.readings);
        }
        self.readings += 1;
    }

    /// A device of this reading; true where it just appeared.
    pub fn of(&mut self, name: Name) -> (&mut Present<T>, bool) {
        let reading = self.readings;
        let present = self.known.entry(name).or_default();
        let is_new = present.since == 0 || present.seen + 1 < reading;
        if is_new {
            *present = Present { since: reading, seen: reading, facts: T::default() };
        }
        present.seen = reading;
        (present, is_new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn since(presence: &mut Presence<u32>, names: &[&str]) -> Vec<u64> {
        presence.next(names.len());
        names.iter().map(|n| presence.of(Name::new(n.as_bytes()).unwrap()).0.since).collect()
    }

    #[test]
    fn who_was_away_is_another() {
        let mut presence = Presence::new();
        assert_eq!(since(&mut presence, &["sda", "dm-3"]), [1, 1]);
        assert_eq!(since(&mut presence, &["sda", "dm-3"]), [1, 1]);
        assert_eq!(since(&mut presence, &["sda"]), [1]);
        assert_eq!(since(&mut presence, &["sda", "dm-3"]), [1, 4]);
        assert_eq!(since(&mut presence, &["sda", "dm-3"]), [1, 4]);
    }

    #[test]
    fn what_is_known_of_one_goes_with_it() {
        let mut presence: Presence<u32> = Presence::new();
        let name = Name::new(b"eth0").unwrap();
        presence.next(1);
        assert!(presence.of(name).1);
        presence.of(name).0.facts = 7;
        presence.next(1);
        assert_eq!((presence.of(name).0.facts, presence.of(name).1), (7, false));
        presence.next(0);
        presence.next(1);
        assert_eq!((presence.of(name).1, presence.of(name).0.facts), (true, 0));
    }

    #[test]
    fn thousands_that_came_and_went_are_forgotten() {
        let mut presence: Presence<()> = Presence::new();
        for i in 0..5000 {
            presence.next(1);
            presence.of(Name::new(format!("veth{i}").as_bytes()).unwrap());
        }
        assert!(presence.known.len() <= SPARE + 3);
    }
}
