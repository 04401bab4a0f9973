//! A machine made of files.

use std::fs;

use perfwatch::linux::files::Roots;

use super::files::{copy, fixture};

/// A machine whose files a test may change between ticks.
pub struct Machine {
    pub folder: tempfile::TempDir,
}

impl Machine {
    /// A machine without any file that a collector reads.
    pub fn new() -> Machine {
        let machine = Machine { folder: tempfile::tempdir().unwrap() };
        machine.put("proc/empty", "");
        machine.put("sys/empty", "");
        machine
    }

    /// A machine whose interface `eth0` has received nothing yet.
    pub fn with_eth0() -> Machine {
        let machine = Machine::new();
        machine.put_eth0(0, 0);
        machine
    }

    /// A copy of a fixture.
    pub fn copy(name: &str) -> Machine {
        let machine = Machine { folder: tempfile::tempdir().unwrap() };
        copy(&fixture(name), machine.folder.path());
        machine
    }

    pub fn roots(&self) -> Roots {
        Roots { proc: self.folder.path().join("proc"), sys: self.folder.path().join("sys") }
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.folder.path().join(path)).unwrap()
    }

    /// Rewrites a file in place, as the kernel does: collectors keep it open.
    pub fn put(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The only interface is `eth0`, with these counters.
    pub fn put_eth0(&self, bytes_received: u64, packets_sent: u64) {
        self.put("proc/net/dev", &net_dev(&[("eth0", bytes_received, packets_sent)]));
    }
}

/// The first two lines of `/proc/net/dev`.
pub const NET_DEV_HEAD: &str = "Inter-|   Receive                                                |  Transmit\n face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n";

/// `/proc/net/dev` with these interfaces: name, bytes received, packets sent.
pub fn net_dev(interfaces: &[(&str, u64, u64)]) -> String {
    let line = |(name, received, sent): &(&str, u64, u64)| {
        format!("  {name}: {received} 5 0 0 0 0 0 0 77 {sent} 0 0 0 0 0 0\n")
    };
    NET_DEV_HEAD.to_string() + &interfaces.iter().map(line).collect::<String>()
}
