//! Rows of CPUs that come and go, on files of several kernels.

use std::path::Path;

use super::super::options::Options;
use super::rows::{Kinds, Packets};
use super::*;
use crate::linux::files::Roots;

fn rows(cpus: &[u32]) -> Vec<CpuRow> {
    cpus.iter().copied().map(CpuRow::new).collect()
}

fn packets(rows: &[CpuRow]) -> Vec<(u32, Packets)> {
    rows.iter().map(|row| (row.cpu, row.packets.clone())).collect()
}

/// A machine of four CPUs of which 1 is offline: its numbers are printed, and have no row.
const SOFTIRQS: &str = "\
                    CPU0       CPU1       CPU2       CPU3       
          HI:          1          2          3          4
       TIMER:         11         12         13         14
      NET_TX:         21         22         23         24
      NET_RX:         31         32         33         34
       BLOCK:         41         42         43         44
    IRQ_POLL:         51         52         53         54
     TASKLET:         61         62         63         64
       SCHED:         71         72         73         74
     HRTIMER:         81         82         83         84
         RCU:         91         92         93 4294967295
      FUTURE:        101        102        103        104
";

#[test]
fn each_kind_of_each_online_cpu() {
    let mut found = rows(&[0, 2, 3]);
    softirqs::parse(SOFTIRQS.as_bytes(), &mut found);
    let of = |n: u64, rcu| Kinds {
        hi: Some(n),
        timer: Some(10 + n),
        net_tx: Some(20 + n),
        net_rx: Some(30 + n),
        block: Some(40 + n),
        irq_poll: Some(50 + n),
        tasklet: Some(60 + n),
        sched: Some(70 + n),
        hrtimer: Some(80 + n),
        rcu: Some(rcu),
    };
    let found: Vec<Kinds> = found.into_iter().map(|row| row.kinds).collect();
    assert_eq!(found, [of(1, 91), of(3, 93), of(4, 4_294_967_295)]);
}

#[test]
fn an_old_kernel_has_another_name_and_damage_gives_no_values() {
    let mut found = rows(&[0, 1]);
    softirqs::parse(b"                CPU0       CPU1\n BLOCK_IOPOLL:     5       6\n", &mut found);
    assert_eq!([&found[0], &found[1]].map(|row| row.kinds.irq_poll), [Some(5), Some(6)]);
    for text in [
        "",
        "CPU0\n",
        "TIMER: 5\n",
        "CPU0 CPUx CPU1\nTIMER: 1\nTIMER\nNET_RX: -1 2 x\n",
        "CPU99999999999 CPU7\nHI: 1 2\n",
    ] {
        let mut found = rows(&[0, 1]);
        softirqs::parse(text.as_bytes(), &mut found);
        assert!(found.iter().all(|row| row.kinds.net_rx.is_none() && row.kinds.hi.is_none()), "{text:?}: {found:?}");
    }
}

/// Since Linux 5.10 a line says whose it is.
#[test]
fn a_line_with_a_number_belongs_to_that_cpu() {
    let line = |processed: u32, cpu: u32| {
        format!(
            "{processed:08x} 00000002 00000003 00000000 00000000 00000000 00000000 00000000 00000000 0000000a 0000000b 0000000c {cpu:08x} 00000007 00000005\n"
        )
    };
    let text = line(0x1deee, 0) + &line(500, 2) + &line(600, 17);
    let of = |processed| Packets {
        processed: Some(processed),
        dropped: Some(2),
        squeezed: Some(3),
        received_rps: Some(10),
        flow_limited: Some(11),
        backlog: Some(12),
    };
    // CPU 2 went offline after the list was read, and 17 came.
    let mut found = rows(&[0, 1, 2]);
    softnet::parse(text.as_bytes(), &mut found);
    assert_eq!(packets(&found), [(0, of(122_606)), (1, Packets::default()), (2, of(500))]);
}

/// After Linux 3.10 (ten fields) and 4.18 (eleven): the lines are those of the online CPUs, in order.
#[test]
fn a_line_without_a_number_belongs_to_the_next_online_cpu() {
    let line = |processed: u32, more: &str| {
        let zeros = "00000000 ".repeat(6);
        format!("{processed:08x} 00000001 00000002 {zeros}00000009{more}\n")
    };
    for (more, flow_limited) in [("", None), (" 0000000a", Some(10))] {
        let text = line(100, more) + &line(300, more);
        let mut found = rows(&[0, 3]);
        softnet::parse(text.as_bytes(), &mut found);
        let of = |processed| Packets {
            processed: Some(processed),
            dropped: Some(1),
            squeezed: Some(2),
            received_rps: Some(9),
            flow_limited,
            backlog: None,
        };
        assert_eq!(packets(&found), [(0, of(100)), (3, of(300))]);
        // Three CPUs and two lines: one of them has just gone, and it is unknown which.
        let mut found = rows(&[0, 1, 3]);
        softnet::parse(text.as_bytes(), &mut found);
        assert!(found.iter().all(CpuRow::is_empty), "{found:?}");
    }
}

fn put(dir: &Path, files: &[(&str, &str)]) {
    std::fs::create_dir_all(dir.join("net")).unwrap();
    for (name, text) in files {
        std::fs::write(dir.join(name), text).unwrap();
    }
}

fn opened(dir: &Path) -> Result<Opened, Unavailable> {
    open(&Setup::new(Roots { proc: dir.into(), sys: dir.into() }, Options::default()))
}

#[test]
fn one_of_the_files_is_enough() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), &[("stat", "cpu  1 2\ncpu0 1 2\ncpu2 1 2\nintr 5\n")]);
    let why = opened(dir.path()).err().unwrap();
    assert!(why.reason.contains("/softirqs") && why.reason.contains("/net/softnet_stat"), "{}", why.reason);
    put(dir.path(), &[("softirqs", SOFTIRQS)]);
    let mut softirq = opened(dir.path()).ok().unwrap();
    assert!(softirq.notes[0].ends_with("no packets"), "{:?}", softirq.notes);
    let catalog = [TABLE.def()];
    let mut sample = Sample::new(&catalog);
    softirq.collector.collect(1, &mut sample).unwrap();
    assert_eq!(sample.blocks[0].rows, 2);
    put(dir.path(), &[("softirqs", "")]);
    let error = softirq.collector.collect(2, &mut Sample::new(&catalog)).unwrap_err();
    assert!(error.to_string().contains("neither"), "{error}");
}

proptest::proptest! {
    #[test]
    fn any_bytes_do_no_harm(text: Vec<u8>, lines in "(CPU[0-9]{0,3}|TIMER:|NET_RX:|[ \n]|[0-9a-f]{0,9}){0,30}") {
        for text in [&text[..], lines.as_bytes()] {
            softirqs::parse(text, &mut rows(&[0, 1, 7]));
            softnet::parse(text, &mut rows(&[0, 1, 7]));
        }
    }
}

#[test]
fn what_an_old_kernel_lacks_is_noted() {
    let dir = tempfile::tempdir().unwrap();
    let line = format!("00000005 {}00000000\n", "00000000 ".repeat(8));
    put(
        dir.path(),
        &[("stat", "cpu  1 2\ncpu0 1 2\ncpu2 1 2\n"), ("softirqs", SOFTIRQS), ("net/softnet_stat", &line.repeat(2))],
    );
    let notes = opened(dir.path()).ok().unwrap().notes;
    let expected = "no value on this kernel for flow_limited, backlog (/proc/softirqs, /proc/net/softnet_stat)";
    assert_eq!(notes, [expected]);
}
