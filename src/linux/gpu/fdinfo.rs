//! What processes use of cards, as the kernel tells of each open descriptor of a card. Source: `/proc/PID/fdinfo`,
//! described in the kernel's `gpu/drm-usage-stats`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use super::{ProcessReading, comm};
use crate::linux::files::{Roots, names_in, read_bytes};

/// What one descriptor tells. Descriptors that were copied tell the same, and have the same client.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Client {
    /// PCI address.
    pub gpu: String,
    pub id: u64,
    /// Busy time of each engine in nanoseconds.
    pub engines: Vec<(String, u64)>,
    /// Memory on the card; on one without memory of its own, memory of the machine.
    pub memory_bytes: Option<u64>,
}

impl Client {
    /// `None` if the descriptor belongs to no card, or to one whose driver tells nothing.
    pub fn parse(text: &str) -> Option<Client> {
        let mut client = Client::default();
        let (mut own, mut others, mut has_id) = (None, None, false);
        for (key, value) in text.lines().filter_map(|line| line.split_once(':')) {
            let Some(key) = key.strip_prefix("drm-") else { continue };
            let value = value.trim();
            match key {
                "pdev" => client.gpu = value.into(),
                "client-id" => {
                    client.id = value.parse().ok()?;
                    has_id = true;
                }
                _ => {
                    if let Some(engine) = key.strip_prefix("engine-").filter(|e| !e.starts_with("capacity-")) {
                        let busy_ns = value.strip_suffix("ns").and_then(|n| n.trim().parse().ok());
                        client.engines.extend(busy_ns.map(|ns| (engine.to_string(), ns)));
                    }
                    // `resident` is the name since Linux 6.6; amdgpu shows both.
                    for (kind, is_new) in [("resident-", true), ("memory-", false)] {
                        let Some(region) = key.strip_prefix(kind) else { continue };
                        let is_own = region.starts_with("vram") || region.starts_with("local");
                        let sum: &mut Option<(bool, u64)> = if is_own { &mut own } else { &mut others };
                        let Some(bytes) = bytes(value) else { continue };
                        *sum = Some(match *sum {
                            Some((was_new, before)) if was_new == is_new => (is_new, before.saturating_add(bytes)),
                            Some((true, before)) => (true, before),
                            _ => (is_new, bytes),
                        });
                    }
                }
            }
        }
        client.memory_bytes = own.or(others).map(|(_, bytes)| bytes);
        (has_id && !client.gpu.is_empty()).then_some(client)
    }
}

/// `1024 KiB`, `3 MiB`, `17`
fn bytes(value: &str) -> Option<u64> {
    let (number, unit) = value.split_once(' ').unwrap_or((value, ""));
    let factor = match unit.trim() {
        "" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// The clients of the previous reading.
#[derive(Default)]
pub struct Clients {
    read_ns: u64,
    /// Busy time in nanoseconds, by card, client and engine.
    busy_ns: HashMap<(String, u64, String), u64>,
}

impl Clients {
    /// What these processes use of the cards for which `is_known` is true.
    pub fn read(
        &mut self,
        roots: &Roots,
        pids: &[u32],
        now_ns: u64,
        is_known: impl Fn(&str) -> bool,
    ) -> Vec<ProcessReading> {
        let passed_ns = now_ns.saturating_sub(self.read_ns);
        let is_first = std::mem::replace(&mut self.read_ns, now_ns) == 0;
        let before = std::mem::take(&mut self.busy_ns);
        let mut found = Vec::new();
        for pid in pids {
            let mut by_gpu: BTreeMap<String, Vec<Client>> = BTreeMap::new();
            for client in clients(roots, *pid).into_iter().filter(|client| is_known(&client.gpu)) {
                by_gpu.entry(client.gpu.clone()).or_default().push(client);
            }
            for (gpu, clients) in by_gpu {
                let mut engines: BTreeMap<&str, u64> = BTreeMap::new();
                for client in &clients {
                    for (engine, busy_ns) in &client.engines {
                        let key = (gpu.clone(), client.id, engine.clone());
                        // A client that is new began since the previous reading.
                        let grown = busy_ns.saturating_sub(before.get(&key).copied().unwrap_or(0));
                        *engines.entry(engine).or_default() += grown;
                        self.busy_ns.insert(key, *busy_ns);
                    }
                }
                let most = engines.values().max().filter(|_| !is_first && passed_ns > 0);
                let memory = clients.iter().filter_map(|client| client.memory_bytes);
                found.push(ProcessReading {
                    pid: *pid,
                    comm: comm(roots, *pid),
                    gpu,
                    instance: None,
                    memory_bytes: memory.reduce(u64::saturating_add),
                    usage_percent: most.map(|ns| (100.0 * *ns as f64 / passed_ns as f64).min(100.0)),
                });
            }
        }
        found
    }
}

/// The clients of a process, each once. Empty if it has ended, or belongs to another user.
fn clients(roots: &Roots, pid: u32) -> Vec<Client> {
    let (fd, fdinfo) = (roots.proc(&format!("{pid}/fd")), roots.proc(&format!("{pid}/fdinfo")));
    let (mut found, mut seen) = (Vec::new(), HashSet::new());
    for name in names_in(&fd).unwrap_or_default() {
        let is_card = std::fs::read_link(fd.join(&name)).is_ok_and(|target| target.starts_with(Path::new("/dev/dri")));
        let Some(text) = is_card.then(|| read_bytes(fdinfo.join(&name)).ok()).flatten() else { continue };
        let client = Client::parse(&String::from_utf8_lossy(&text));
        found.extend(client.filter(|client| seen.insert((client.gpu.clone(), client.id))));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::hwmon::tests::tree;

    /// As amdgpu prints it on Linux 6.12: both names of the memory.
    const AMDGPU: &str = "pos:\t0\nflags:\t02100002\nmnt_id:\t29\nino:\t1118\ndrm-driver:\tamdgpu\ndrm-client-id:\t81\n\
        drm-pdev:\t0000:03:00.0\npasid:\t32774\ndrm-total-vram:\t2500 KiB\ndrm-shared-vram:\t0\n\
        drm-resident-vram:\t2048 KiB\ndrm-resident-gtt:\t512 KiB\ndrm-memory-vram:\t2048 KiB\ndrm-memory-gtt: \t512 KiB\n\
        amd-evicted-vram:\t0 KiB\ndrm-engine-gfx:\t7000000 ns\ndrm-engine-compute:\t500 ns\n";

    #[test]
    fn what_a_descriptor_tells() {
        let client = Client::parse(AMDGPU).unwrap();
        let engines = vec![("gfx".into(), 7_000_000), ("compute".into(), 500)];
        let expected = Client { gpu: "0000:03:00.0".into(), id: 81, engines, memory_bytes: Some(2 << 20) };
        assert_eq!(client, expected);
    }

    #[test]
    fn a_card_without_memory_of_its_own() {
        let text = "drm-driver:\ti915\ndrm-client-id:\t7\ndrm-pdev:\t0000:00:02.0\ndrm-total-system0:\t9 MiB\n\
                    drm-resident-system0:\t3 MiB\ndrm-resident-stolen-system0:\t1 MiB\ndrm-engine-render:\t25 ns\n\
                    drm-engine-capacity-video:\t2\n";
        let client = Client::parse(text).unwrap();
        assert_eq!((client.memory_bytes, client.engines), (Some(4 << 20), vec![("render".into(), 25)]));
    }

    #[test]
    fn other_descriptors_and_broken_text() {
        for text in [
            "",
            "pos:\t0\nflags:\t02\n",
            "drm-driver:\tnvidia-drm\ndrm-pdev:\t0000:01:00.0\n",
            "drm-client-id:\t7\n",
            "drm-client-id:\tx\ndrm-pdev:\t0000:01:00.0\n",
        ] {
            assert_eq!(Client::parse(text), None, "{text:?}");
        }
        let odd = "drm-client-id:\t7\ndrm-pdev:\tp\ndrm-engine-gfx:\tmany\ndrm-resident-vram:\t5 parsecs\n";
        assert_eq!(Client::parse(odd), Some(Client { gpu: "p".into(), id: 7, ..Client::default() }));
    }

    #[test]
    fn use_is_the_growth_of_the_busiest_engine() {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots { proc: dir.path().into(), sys: dir.path().into() };
        let fdinfo = |id: u64, gfx_ns: u64| {
            format!(
                "drm-client-id:\t{id}\ndrm-pdev:\t0000:03:00.0\ndrm-engine-gfx:\t{gfx_ns} ns\n\
                 drm-engine-dma:\t1 ns\ndrm-resident-vram:\t1 MiB\n"
            )
        };
        tree(
            dir.path(),
            &[
                ("40/comm", "train\n"),
                ("40/fd/0", "->/dev/null"),
                ("40/fd/5", "->/dev/dri/renderD128"),
                ("40/fd/6", "->/dev/dri/renderD128"),
                ("40/fd/7", "->/dev/dri/renderD128"),
                ("40/fdinfo/5", &fdinfo(1, 100)),
                ("40/fdinfo/6", &fdinfo(1, 100)),
                ("40/fdinfo/7", &fdinfo(2, 50)),
            ],
        );
        let mut clients = Clients::default();
        let mut read = |now_ns| clients.read(&roots, &[40, 41], now_ns, |gpu| gpu == "0000:03:00.0");
        let first = read(1000);
        assert_eq!((first.len(), first[0].comm.as_str()), (1, "train"));
        assert_eq!((first[0].memory_bytes, first[0].usage_percent), (Some(2 << 20), None));
        // 400 ns more by one client, 150 by the other, of 1000 ns.
        for (fd, text) in [("5", fdinfo(1, 500)), ("6", fdinfo(1, 500)), ("7", fdinfo(2, 200))] {
            std::fs::write(dir.path().join("40/fdinfo").join(fd), text).unwrap();
        }
        assert_eq!(read(2000)[0].usage_percent, Some(55.0));
    }
}
