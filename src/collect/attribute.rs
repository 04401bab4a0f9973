//! Single values of `/sys` that cost too much to read all of them at every tick: a frequency or a temperature makes the
//! kernel ask the hardware (15 us a frequency when opened each time; more behind I2C or ACPI).

use std::path::PathBuf;
use std::time::Duration;

use crate::linux::files::HeldFile;
use crate::linux::hwmon::Identity;
use crate::linux::scan::{signed, words};

/// One number of `/sys`, held open; it may go away with its device and return.
#[derive(Debug)]
pub struct Attribute {
    path: PathBuf,
    /// The device that it must belong to when it is opened.
    owner: Option<Identity>,
    file: Option<HeldFile>,
    /// Asked at least once, so `value` is the answer.
    asked: bool,
    value: Option<i64>,
}

impl Attribute {
    /// Nothing is opened before the first reading.
    pub fn new(path: PathBuf) -> Self {
        Attribute { path, owner: None, file: None, asked: false, value: None }
    }

    /// One of a device whose path another device may come to have: when it returns, it is asked whose it is.
    pub fn of(owner: Identity, path: PathBuf) -> Self {
        Attribute { owner: Some(owner), ..Attribute::new(path) }
    }

    /// What the last reading gave; nothing where the device did not answer (asleep, gone, no number).
    pub fn value(&self) -> Option<i64> {
        self.value
    }

    pub fn was_asked(&self) -> bool {
        self.asked
    }

    /// The device was away: what was known of it is not true any more.
    pub fn forget(&mut self) {
        self.asked = false;
        self.value = None;
    }

    pub fn refresh(&mut self) {
        self.asked = true;
        self.value = None;
        if self.file.is_none() && self.owner.as_ref().is_none_or(Identity::holds) {
            self.file = HeldFile::open_attribute(&self.path).ok();
        }
        let Some(file) = &mut self.file else { return };
        match file.read() {
            Ok(text) => self.value = words(text.trim_ascii_end()).next().and_then(signed),
            // A sleeping sensor answers EAGAIN or ENODATA and may wake up. ENODEV is final for this descriptor: when the
            // device returns, it is a new file.
            Err(e) if e.error.raw_os_error() == Some(libc::ENODEV) => self.file = None,
            Err(_) => {}
        }
    }
}

/// At most so many attributes are read at a tick. An estimate, not yet measured on a machine with many: at the 15 us
/// that a frequency takes when opened each time, 16 are 240 us at the most, and held open they should be about half.
const A_TICK: usize = 16;

/// Who is read at this tick: each attribute at most once in a given time, and only so many at a tick, spread evenly.
#[derive(Debug)]
pub struct Turns {
    shortest: u64,
    period: u64,
    now: u64,
}

impl Turns {
    /// `each` is the shortest time between two readings of one attribute, `interval` the time between two ticks.
    pub fn new(each: Duration, interval: Duration) -> Self {
        Turns { shortest: ticks_in(each, interval), period: 1, now: 0 }
    }

    /// The next tick, at which there are `count` attributes.
    pub fn advance(&mut self, count: usize) {
        self.period = self.shortest.max(count.div_ceil(A_TICK) as u64);
        self.now = self.now.wrapping_add(1);
    }

    /// Is it the turn of the attribute at `index`?
    pub fn has(&self, index: usize) -> bool {
        index as u64 % self.period == self.now % self.period
    }
}

/// How many ticks fill `time`: one at least.
pub fn ticks_in(time: Duration, interval: Duration) -> u64 {
    let ticks = time.as_nanos().div_ceil(interval.as_nanos().max(1));
    u64::try_from(ticks).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_follows_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("temp1_input");
        let mut attribute = Attribute::new(path.clone());
        attribute.refresh();
        assert_eq!((attribute.was_asked(), attribute.value()), (true, None), "not there yet");
        for (text, value) in [("41850\n", Some(41_850)), ("-5000\n", Some(-5000)), ("<unknown>\n", None), ("", None)] {
            std::fs::write(&path, text).unwrap();
            attribute.refresh();
            assert_eq!(attribute.value(), value, "{text:?}");
        }
        std::fs::write(&path, "1\n").unwrap();
        attribute.refresh();
        attribute.forget();
        assert_eq!((attribute.was_asked(), attribute.value()), (false, None));
    }

    /// hwmon3 was a drive's; the drive went, and another driver got the number.
    #[test]
    fn the_path_of_another_device_is_not_opened() {
        let dir = tempfile::tempdir().unwrap();
        let (hwmon, input) = (dir.path().join("hwmon3"), dir.path().join("hwmon3/temp1_input"));
        let make = |name: &str, text: &str| {
            std::fs::create_dir_all(&hwmon).unwrap();
            std::fs::write(hwmon.join("name"), name).unwrap();
            std::fs::write(&input, text).unwrap();
        };
        make("nvme\n", "41850\n");
        let mut attribute = Attribute::of(Identity::read(&hwmon, "name"), input.clone());
        attribute.refresh();
        assert_eq!(attribute.value(), Some(41_850));
        // What ENODEV does, which common files never answer.
        attribute.file = None;
        make("jc42\n", "29000\n");
        attribute.refresh();
        assert_eq!(attribute.value(), None, "another driver's");
        make("nvme\n", "42000\n");
        attribute.refresh();
        assert_eq!(attribute.value(), Some(42_000), "its own again");
        // Another drive, whose driver has the same name: the folder is another one.
        attribute.file = None;
        std::fs::rename(&hwmon, dir.path().join("gone")).unwrap();
        make("nvme\n", "50000\n");
        attribute.refresh();
        assert_eq!(attribute.value(), None);
    }

    #[test]
    fn a_directory_in_place_of_a_number_has_no_value() {
        let dir = tempfile::tempdir().unwrap();
        let mut attribute = Attribute::new(dir.path().into());
        attribute.refresh();
        assert_eq!(attribute.value(), None);
    }

    #[test]
    fn ticks_fill_a_time() {
        let ms = Duration::from_millis;
        assert_eq!(ticks_in(ms(1000), ms(10)), 100);
        assert_eq!(ticks_in(ms(1000), ms(300)), 4);
        assert_eq!(ticks_in(ms(1000), ms(1000)), 1);
        assert_eq!(ticks_in(ms(1000), ms(3_600_000)), 1);
        assert_eq!(ticks_in(ms(1000), Duration::ZERO), 1_000_000_000);
        assert_eq!(ticks_in(Duration::ZERO, ms(10)), 1);
    }

    /// How often each of `count` attributes has its turn within `ticks` ticks, and the most at one tick.
    fn turns(count: usize, interval_ms: u64, ticks: usize) -> (Vec<usize>, usize) {
        let mut turns = Turns::new(Duration::from_secs(1), Duration::from_millis(interval_ms));
        let (mut each, mut most) = (vec![0; count], 0);
        for _ in 0..ticks {
            turns.advance(count);
            let due: Vec<_> = (0..count).filter(|i| turns.has(*i)).collect();
            most = most.max(due.len());
            due.into_iter().for_each(|i| each[i] += 1);
        }
        (each, most)
    }

    #[test]
    fn few_are_read_at_every_second() {
        assert_eq!(turns(2, 1000, 10), (vec![10; 2], 2));
        assert_eq!(turns(16, 1000, 10), (vec![10; 16], 16));
    }

    #[test]
    fn many_take_turns() {
        assert_eq!(turns(64, 1000, 8), (vec![2; 64], 16));
        assert_eq!(turns(100, 1000, 7), (vec![1; 100], 15));
    }

    #[test]
    fn short_intervals_do_not_read_more_often() {
        assert_eq!(turns(64, 10, 300), (vec![3; 64], 1));
    }
}
