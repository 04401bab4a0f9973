//! The tables `gpu` and `gpu_process`.

use crate::linux::gpu::{CardReading, ProcessReading};
use crate::linux::possible::{celsius, part, percent};
use crate::table::Unit::{Bytes, Celsius, Count, Megahertz, Microjoules, Percent, Watts};
use crate::table::{
    Chart, Charts, Formula, Table, counter, derived, entity, entity_int, gauge, gauge_float, label, significant,
};

pub static GPU: Table<CardReading> = Table {
    name: "gpu",
    source: "NVML; /sys/class/drm and hwmon",
    doc: "Graphics processors of NVIDIA (through NVML), AMD and Intel (from sysfs): one row per card, and one per MIG \
          instance of a divided card, at most once per second. A separate process reads the cards, so that a driver \
          that hangs delays nothing; a card that does not answer has no row.",
    charts: Charts::Drawn(&[
        Chart::lines("Busy", &["usage_percent"]),
        Chart::lines("Memory in use", &["memory_used_bytes"]),
        Chart::lines("Power", &["power_w"]),
        Chart::lines("Temperature", &["temperature_celsius"]),
        Chart::lines("Clock", &["clock_mhz"]),
        Chart::lines("Held down", &["power_throttled_percent", "thermal_throttled_percent", "hw_slowdown_percent"]),
    ]),
    columns: &[
        entity("gpu", "PCI address, the same after each boot: `0000:3b:00.0`.", |c: &CardReading| {
            c.gpu.as_str().into()
        }),
        entity(
            "instance",
            "MIG instance, as GPU instance/compute instance: `1/0`; null for the whole card, whose values include \
             those of its instances.",
            |c: &CardReading| c.instance.as_deref().into(),
        )
        .separate(),
        label("name", "Product, for example `NVIDIA H100 80GB HBM3`; PCI IDs if the card has no name.", |c| {
            c.name.as_deref().into()
        }),
        label("uuid", "Identifies the card wherever it is plugged in; null for Intel.", |c: &CardReading| {
            c.uuid.as_deref().into()
        }),
        gauge_float(
            "usage_percent",
            Percent,
            "Share of time in which the card worked on anything: with NVIDIA and AMD, of the driver's last sampling \
             period (up to a second), with Intel, since the previous row. It does not say how much of the card was \
             in use.",
            |c: &CardReading| percent(c.usage_percent).map(significant).into(),
        ),
        gauge_float(
            "memory_busy_percent",
            Percent,
            "Share of that time in which its memory was read or written. Null for Intel.",
            |c: &CardReading| percent(c.memory_busy_percent).into(),
        ),
        gauge(
            "memory_used_bytes",
            Bytes,
            "Memory in use, without what driver and firmware reserve (with it before NVIDIA driver 510). Null for \
             Intel.",
            |c: &CardReading| part(c.memory_used_bytes, c.memory_total_bytes).into(),
        ),
        gauge("memory_total_bytes", Bytes, "Size of its memory. Null for Intel.", |c: &CardReading| {
            c.memory_total_bytes.into()
        }),
        gauge_float(
            "power_w",
            Watts,
            "Power at the tick; on recent NVIDIA cards, the mean of the last second. Null for Intel.",
            |c: &CardReading| watts(c.power_w).into(),
        ),
        gauge_float("power_limit_w", Watts, "The limit at which the card slows down.", |c: &CardReading| {
            watts(c.power_limit_w).into()
        }),
        counter(
            "energy_uj",
            Microjoules,
            "Energy used since the driver was loaded, in microjoules as in the kernel's own files. NVIDIA counts in \
             steps of 0.1 s; null for cards before Volta, and for most of AMD.",
            |c: &CardReading| c.energy_uj.into(),
        )
        .lower_is_better(),
        derived(
            "mean_power_w",
            Watts,
            "Mean power over the interval, from the energy counter.",
            Formula::rate(&["energy_uj"]).times(1e-6),
        ),
        gauge_float("temperature_celsius", Celsius, "Temperature of the chip.", |c: &CardReading| {
            c.temperature_celsius.and_then(|degrees| celsius((1000.0 * degrees) as i64)).into()
        })
        .lower_is_better(),
        gauge_float("clock_mhz", Megahertz, "Clock of the units that compute (NVIDIA: SM).", |c: &CardReading| {
            megahertz(c.clock_mhz).into()
        }),
        gauge_float("memory_clock_mhz", Megahertz, "Clock of its memory. Null for Intel.", |c: &CardReading| {
            megahertz(c.memory_clock_mhz).into()
        }),
        gauge_float(
            "power_throttled_percent",
            Percent,
            "100 if the card held its clock down at the tick because of its power limit or a power brake, else 0: \
             the mean is the share of samples. Null for AMD.",
            |c: &CardReading| c.power_limited.map(all_or_nothing).into(),
        )
        .lower_is_better(),
        gauge_float("thermal_throttled_percent", Percent, "The same because of its temperature.", |c: &CardReading| {
            c.thermally_limited.map(all_or_nothing).into()
        })
        .lower_is_better(),
        gauge_float(
            "hw_slowdown_percent",
            Percent,
            "The same for a slowdown by hardware (NVIDIA: HW slowdown), to half the clock or less.",
            |c: &CardReading| c.slowed_by_hardware.map(all_or_nothing).into(),
        )
        .lower_is_better(),
        counter(
            "ecc_errors_uncorrected",
            Count,
            "Memory errors that could not be corrected, since the driver was loaded. NVIDIA with ECC only.",
            |c: &CardReading| c.ecc_errors_uncorrected.into(),
        )
        .lower_is_better(),
        gauge_float("encoder_percent", Percent, "Use of the video encoder. NVIDIA only.", |c: &CardReading| {
            percent(c.encoder_percent).into()
        }),
        gauge_float("decoder_percent", Percent, "Use of the video decoder. NVIDIA only.", |c: &CardReading| {
            percent(c.decoder_percent).into()
        }),
    ],
};

pub static GPU_PROCESS: Table<ProcessReading> = Table {
    name: "gpu_process",
    source: "NVML; /proc/PID/fdinfo",
    doc: "What processes of the recorded command, and those of `--pid`, use of each card. At most once per second; \
          more rarely where the driver needs long for its list, so that reading takes at most a thousandth of the time.",
    charts: Charts::Drawn(&[
        Chart::lines("Share of the card", &["usage_percent"]),
        Chart::lines("Memory of the card", &["memory_bytes"]),
    ]),
    columns: &[
        entity_int("pid", "Process ID.", |p: &ProcessReading| p.pid.into()).orders(),
        entity("comm", "Name of the process, at most 15 bytes.", |p: &ProcessReading| p.comm.as_str().into())
            .may_change(),
        entity("gpu", "PCI address of the card, as in `gpu`.", |p: &ProcessReading| p.gpu.as_str().into()),
        entity("instance", "MIG instance, as in `gpu`; null for a card that is not divided.", |p: &ProcessReading| {
            p.instance.as_deref().into()
        }),
        gauge(
            "memory_bytes",
            Bytes,
            "Memory of the card that the process holds; memory of the machine if the card has none of its own.",
            |p: &ProcessReading| p.memory_bytes.into(),
        ),
        gauge_float(
            "usage_percent",
            Percent,
            "Its share of the card's time: with NVIDIA, the mean of the driver's samples since the previous row; with \
             AMD and Intel, the busy time of its busiest engine since then. Null if the driver has no sample, and on \
             divided cards.",
            |p: &ProcessReading| percent(p.usage_percent).map(significant).into(),
        ),
    ],
};

fn all_or_nothing(is_on: bool) -> f64 {
    if is_on { 100.0 } else { 0.0 }
}

/// No card needs 100 kW; NVML may answer with all bits set.
fn watts(watts: Option<f64>) -> Option<f64> {
    watts.filter(|w| (0.0..100_000.0).contains(w))
}

/// Zero for a clock that is off.
fn megahertz(mhz: Option<f64>) -> Option<f64> {
    mhz.filter(|mhz| (0.0..=20_000.0).contains(mhz))
}
