//! Single values of `/sys` that are too expensive to read all at every tick: for a frequency or a temperature the
//! kernel asks the hardware (15 us per frequency if the file is opened each time; more behind I2C or ACPI).

use std::path::PathBuf;
use std::time::Duration;

use crate::linux::files::HeldFile;
use crate::linux::hwmon::Identity;
use crate::linux::scan::{signed, words};

/// One number in `/sys`, held open. It may disappear with its device and return.
#[derive(Debug)]
pub struct Attribute {
    path: PathBuf,
    /// The device that the file must belong to when it is opened.
    owner: Option<Identity>,
    file: Option<HeldFile>,
    /// Read at least once, so `value` is the result.
    was_read: bool,
    value: Option<i64>,
}

impl Attribute {
    /// Nothing is opened before the first reading.
    pub fn new(path: PathBuf) -> Self {
        Attribute { path, owner: None, file: None, was_read: false, value: None }
    }

    /// A file of a device whose path can be reused by another device: before the file is reopened, the owner is
    /// checked.
    pub fn owned_by(owner: Identity, path: PathBuf) -> Self {
        Attribute { owner: Some(owner), ..Attribute::new(path) }
    }

    /// The result of the last reading; `None` if the device did not answer (asleep, gone, not a number).
    pub fn value(&self) -> Option<i64> {
        self.value
    }

    pub fn was_asked(&self) -> bool {
        self.was_read
    }

    /// The device was away, so the last value is no longer valid.
    pub fn forget(&mut self) {
        self.was_read = false;
        self.value = None;
    }

    pub fn refresh(&mut self) {
        self.was_read = true;
        self.value = None;
        if self.file.is_none() && self.owner.as_ref().is_none_or(Identity::holds) {
            self.file = HeldFile::open_attribute(&self.path).ok();
        }
        let Some(file) = &mut self.file else { return };
        match file.read() {
            Ok(text) => self.value = words(text.trim_ascii_end()).next().and_then(signed),
            // A sleeping sensor answers EAGAIN or ENODATA and may wake up. ENODEV is final for this descriptor: when
            // the device returns, it is a new file.
            Err(e) if e.error.raw_os_error() == Some(libc::ENODEV) => self.file = None,
            Err(_) => {}
        }
    }
}

/// Maximum number of attributes read per tick. An estimate, not yet measured on a machine with many: at 15 us per
/// frequency if opened each time, 16 take at most 240 us; held open they should take about half.
const MAX_PER_TICK: usize = 16;

/// Which attributes are read at this tick: each at most once in a given time, a limited number per tick, spread evenly.
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

    /// Moves to the next tick, at which there are `count` attributes.
    pub fn advance(&mut self, count: usize) {
        self.period = self.shortest.max(count.div_ceil(MAX_PER_TICK) as u64);
        self.now = self.now.wrapping_add(1);
    }

    /// Whether the attribute at `index` is read at this tick.
    pub fn has(&self, index: usize) -> bool {
        index as u64 % self.period == self.now % self.period
    }
}

/// Number of ticks in `time`, at least one.
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

    /// hwmon3 belonged to a drive; the drive was removed, and another driver got the number.
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
        let mut attribute = Attribute::owned_by(Identity::read(&hwmon, "name"), input.clone());
        attribute.refresh();
        assert_eq!(attribute.value(), Some(41_850));
        // What ENODEV does, which regular files never return.
        attribute.file = None;
        make("jc42\n", "29000\n");
        attribute.refresh();
        assert_eq!(attribute.value(), None, "another driver's");
        make("nvme\n", "42000\n");
        attribute.refresh();
        assert_eq!(attribute.value(), Some(42_000), "its own again");
        // Another drive with a driver of the same name: its folder is a different one.
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
    fn ticks_in_rounds_up() {
        let ms = Duration::from_millis;
        assert_eq!(ticks_in(ms(1000), ms(10)), 100);
        assert_eq!(ticks_in(ms(1000), ms(300)), 4);
        assert_eq!(ticks_in(ms(1000), ms(1000)), 1);
        assert_eq!(ticks_in(ms(1000), ms(3_600_000)), 1);
        assert_eq!(ticks_in(ms(1000), Duration::ZERO), 1_000_000_000);
        assert_eq!(ticks_in(Duration::ZERO, ms(10)), 1);
    }

    /// How often each of `count` attributes is read within `ticks` ticks, and the most in one tick.
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
    fn few_attributes_are_read_every_second() {
        assert_eq!(turns(2, 1000, 10), (vec![10; 2], 2));
        assert_eq!(turns(16, 1000, 10), (vec![10; 16], 16));
    }

    #[test]
    fn many_attributes_take_turns() {
        assert_eq!(turns(64, 1000, 8), (vec![2; 64], 16));
        assert_eq!(turns(100, 1000, 7), (vec![1; 100], 15));
    }

    #[test]
    fn short_intervals_do_not_read_more_often() {
        assert_eq!(turns(64, 10, 300), (vec![3; 64], 1));
    }
}
