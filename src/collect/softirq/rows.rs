//! The table, and its row.

use crate::table::Unit::Count;
use crate::table::{Chart, Charts, Column, Table, counter, entity_int, gauge};

pub static TABLE: Table<CpuRow> = Table {
    name: "softirq",
    source: "/proc/softirqs, /proc/net/softnet_stat",
    doc: "Softirqs, the second half of the work of interrupts: one row per online CPU and tick. The kernel counts in 32 \
          bits; a rate is null where its counter began again at zero.",
    charts: Charts::Drawn(&[
        Chart::heat("Received packets (NET_RX) per CPU", &["net_rx_per_sec"]),
        Chart::lines("Packets dropped, and times squeezed", &["dropped_per_sec", "squeezed_per_sec"]),
        Chart::heat("Packets processed per CPU", &["processed_per_sec"]),
        Chart::heat("Timers per CPU", &["timer_per_sec"]),
        Chart::heat("Block I/O per CPU", &["block_per_sec"]),
    ]),
    columns: &[
        entity_int("cpu", "The kernel's number of the CPU.", |r: &CpuRow| r.cpu.into()),
        kind("net_rx", "NET_RX: runs that received packets.", |r| r.kinds.net_rx.into()).with_rate("net_rx_per_sec"),
        kind("net_tx", "NET_TX: runs that finished sending.", |r| r.kinds.net_tx.into()).with_rate("net_tx_per_sec"),
        kind("timer", "TIMER: runs of expired timers.", |r| r.kinds.timer.into()).with_rate("timer_per_sec"),
        kind("hrtimer", "HRTIMER: runs of expired timers of high resolution.", |r| r.kinds.hrtimer.into())
            .with_rate("hrtimer_per_sec"),
        kind("sched", "SCHED: runs that balanced tasks between CPUs.", |r| r.kinds.sched.into())
            .with_rate("sched_per_sec"),
        kind("rcu", "RCU: runs that freed what nobody reads any more.", |r| r.kinds.rcu.into())
            .with_rate("rcu_per_sec"),
        kind("block", "BLOCK: runs that completed I/O of disks.", |r| r.kinds.block.into()).with_rate("block_per_sec"),
        kind("irq_poll", "IRQ_POLL: runs that asked devices for completed I/O (BLOCK_IOPOLL before Linux 4.5).", |r| {
            r.kinds.irq_poll.into()
        })
        .with_rate("irq_poll_per_sec"),
        kind("tasklet", "TASKLET: runs of deferred work of drivers.", |r| r.kinds.tasklet.into())
            .with_rate("tasklet_per_sec"),
        kind("hi", "HI: runs of urgent deferred work of drivers.", |r| r.kinds.hi.into()).with_rate("hi_per_sec"),
        kind("processed", "Packets taken from network drivers and the backlog.", |r| r.packets.processed.into())
            .with_rate("processed_per_sec"),
        kind(
            "dropped",
            "Packets dropped because the backlog of the CPU was full (net.core.netdev_max_backlog).",
            |r| r.packets.dropped.into(),
        )
        .with_rate("dropped_per_sec")
        .lower_is_better(),
        kind(
            "squeezed",
            "Times that NET_RX stopped with packets left: net.core.netdev_budget or its time was used up.",
            |r| r.packets.squeezed.into(),
        )
        .with_rate("squeezed_per_sec")
        .lower_is_better(),
        kind("received_rps", "Times that another CPU woke this one to process packets (RPS).", |r| {
            r.packets.received_rps.into()
        })
        .with_rate("received_rps_per_sec"),
        kind(
            "flow_limited",
            "Packets dropped because their flow filled the backlog (net.core.flow_limit_cpu_bitmap); null before Linux \
             3.11.",
            |r| r.packets.flow_limited.into(),
        )
        .with_rate("flow_limited_per_sec")
        .lower_is_better(),
        gauge("backlog", Count, "Packets in the backlog of the CPU; null before Linux 5.10.", |r: &CpuRow| {
            r.packets.backlog.into()
        })
        .lower_is_better(),
    ],
};

const fn kind(name: &'static str, doc: &'static str, get: fn(&CpuRow) -> crate::table::Value<'_>) -> Column<CpuRow> {
    counter(name, Count, doc, get)
}

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub struct CpuRow {
    pub cpu: u32,
    pub kinds: Kinds,
    pub packets: Packets,
}

/// Softirqs since boot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kinds {
    pub hi: Option<u64>,
    pub timer: Option<u64>,
    pub net_tx: Option<u64>,
    pub net_rx: Option<u64>,
    pub block: Option<u64>,
    pub irq_poll: Option<u64>,
    pub tasklet: Option<u64>,
    pub sched: Option<u64>,
    pub hrtimer: Option<u64>,
    pub rcu: Option<u64>,
}

impl Kinds {
    /// Where the counter with the kernel's name is; `None` for a kind of a later kernel.
    pub fn place(name: &[u8]) -> Option<fn(&mut Kinds) -> &mut Option<u64>> {
        Some(match name {
            b"HI" => |kinds| &mut kinds.hi,
            b"TIMER" => |kinds| &mut kinds.timer,
            b"NET_TX" => |kinds| &mut kinds.net_tx,
            b"NET_RX" => |kinds| &mut kinds.net_rx,
            b"BLOCK" => |kinds| &mut kinds.block,
            b"IRQ_POLL" | b"BLOCK_IOPOLL" => |kinds| &mut kinds.irq_poll,
            b"TASKLET" => |kinds| &mut kinds.tasklet,
            b"SCHED" => |kinds| &mut kinds.sched,
            b"HRTIMER" => |kinds| &mut kinds.hrtimer,
            b"RCU" => |kinds| &mut kinds.rcu,
            _ => return None,
        })
    }
}

/// Packets since boot, except the backlog.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Packets {
    pub processed: Option<u64>,
    pub dropped: Option<u64>,
    pub squeezed: Option<u64>,
    pub received_rps: Option<u64>,
    pub flow_limited: Option<u64>,
    pub backlog: Option<u64>,
}

impl CpuRow {
    pub fn new(cpu: u32) -> CpuRow {
        CpuRow { cpu, kinds: Kinds::default(), packets: Packets::default() }
    }

    pub fn is_empty(&self) -> bool {
        self.kinds == Kinds::default() && self.packets == Packets::default()
    }
}
