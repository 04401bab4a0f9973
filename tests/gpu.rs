//! Graphics processors in a recording, with a library that does what a script says.

mod common;
mod nvml;
mod program;

use std::path::Path;

use common::rows as cells;
use nvml::{Fake, H100};
use program::*;

/// Records this command on this machine, with the library and only the collector `gpu`.
fn record_gpu(fake: &Fake, dir: &Path, script: &str) -> Said {
    let mut command = program();
    command.args(["record", "--collectors", "gpu", "-i", "100ms", "-o"]).arg(dir).arg("--nvml").arg(fake.file());
    command.args(["--", "sh", "-c", script]).output().unwrap().into()
}

/// Waits in a shell until the library was asked for something this often.
fn until_asked(fake: &Fake, key: &str, times: usize) -> String {
    let calls = fake.script().with_file_name("calls");
    format!("until [ \"$(grep -cx {key} {})\" -ge {times} ]; do sleep 0.02; done", calls.display())
}

#[test]
fn a_command_has_rows_from_its_start_to_its_end() {
    let Some(fake) = Fake::new(H100) else { return };
    let (_folder, dir) = new();
    record_gpu(&fake, &dir, "sleep 0.05").is(0, &[]);
    let columns = ["gpu", "instance", "usage_percent", "memory_used_bytes", "power_w", "energy_uj"];
    let row = |energy_uj: u64| {
        ["0000:3b:00.0", "null", "97.0", "1059913728", "298.448"]
            .map(String::from)
            .into_iter()
            .chain([energy_uj.to_string()])
            .collect::<Vec<_>>()
    };
    // One reading before the command, and one after it: on a quiet machine no tick in between is due.
    let found = cells(&dir, "gpu", &columns);
    assert!(
        found.len() >= 2 && found.iter().zip(0..).all(|(found, n)| *found == row(2_412_955_000 + n * 500_000)),
        "{found:?}"
    );
    let elapsed = &cells(&dir, "gpu", &["elapsed_s", "mean_power_w"]);
    assert_eq!(elapsed[0], ["null", "null"]);
    // The counter grew by 0.5 J.
    let [elapsed_s, power_w] = [0, 1].map(|i| elapsed[1][i].parse::<f64>().unwrap());
    assert!((elapsed_s * power_w - 0.5).abs() < 1e-5, "{elapsed_s} {power_w}");
    assert_eq!(collector(&dir, "gpu").0, "recorded");
    assert!(report(&dir, &["-t", "gpu"]).out.contains("name: NVIDIA H100 80GB HBM3"));
}

#[test]
fn what_the_command_uses() {
    let Some(fake) = Fake::new(H100) else { return };
    let (_folder, dir) = new();
    let script = format!(
        "echo \"0.processes = $$ 1048576 1 4096\" >> {}; {}",
        fake.script().display(),
        until_asked(&fake, "0.energy", 4)
    );
    record_gpu(&fake, &dir, &script).is(0, &[]);
    let found = cells(&dir, "gpu_process", &["comm", "gpu", "memory_bytes"]);
    assert!(!found.is_empty());
    assert!(found.iter().all(|row| *row == ["sh", "0000:3b:00.0", "1048576"]), "{found:?}");
}

/// A call that never returns: the recorder goes on, says so, and ends with the command.
#[test]
fn a_driver_that_hangs_delays_nothing() {
    let Some(fake) = Fake::new(H100) else { return };
    let (_folder, dir) = new();
    let hang = format!("echo '0.power = hang' >> {}", fake.script().display());
    // The helper is missed half a second after the time at which its answer was due.
    let script = format!("{hang}; {}; sleep 2.2", until_asked(&fake, "0.power", 2));
    let said = record_gpu(&fake, &dir, &script);
    said.is(0, &["NVML does not answer"]);
    assert_eq!(cells(&dir, "gpu", &["power_w"]), [["298.448"]], "only the first reading");
    assert!(ticks_of(&dir) > 20, "{}", ticks_of(&dir));
    let errors = cells(&dir, "collector", &["collector", "error"]);
    assert!(errors.iter().any(|row| row[1] == "NVML does not answer"), "{errors:?}");
    // Nothing of it remains: this call can be interrupted by a signal.
    let names = fake.file();
    until("the end of the helper", || !maps_anywhere(&names));
}

fn ticks_of(dir: &Path) -> usize {
    cells(dir, "tick", &["tick"]).len()
}

/// Whether a process has this file in its memory.
fn maps_anywhere(file: &Path) -> bool {
    let name = file.display().to_string();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let mut maps = processes.filter_map(|entry| std::fs::read_to_string(entry.path().join("maps")).ok());
    maps.any(|maps| maps.contains(&name))
}

#[test]
fn a_driver_that_never_starts() {
    let Some(fake) = Fake::new(&format!("init = hang\n{H100}")) else { return };
    let (_folder, dir) = new();
    record_gpu(&fake, &dir, "true").is(0, &[]);
    let (state, notes) = collector(&dir, "gpu");
    assert_eq!(state, "partial");
    assert!(notes.contains("NVML has not answered yet: rows begin when it does"), "{notes}");
    until("the end of the helper", || !maps_anywhere(&fake.file()));
}

#[test]
fn a_library_that_crashes() {
    let Some(fake) = Fake::new(H100) else { return };
    let (_folder, dir) = new();
    let crash = format!("echo '0.power = crash' >> {}", fake.script().display());
    let script = format!("{crash}; {}; sleep 1.2", until_asked(&fake, "0.power", 2));
    record_gpu(&fake, &dir, &script).is(0, &["the process that reads NVML ended"]);
    assert_eq!(cells(&dir, "gpu", &["power_w"]), [["298.448"]]);
}

#[test]
fn doctor_says_what_there_is_and_why_not() {
    let doctor = |args: &[&str]| Said::from(program().args(["doctor", "--json"]).args(args).output().unwrap()).json();
    let gpu = |json: &serde_json::Value| {
        json["collectors"].as_array().unwrap().iter().find(|c| c["name"] == "gpu").unwrap().clone()
    };
    let missing = gpu(&doctor(&["--nvml", "/no/such/library"]));
    assert_eq!(missing["state"], "unavailable");
    assert!(missing["notes"][0].as_str().unwrap().starts_with("cannot load NVML: /no/such/library: "), "{missing}");
    assert!(missing["advice"].as_str().unwrap().contains("--nvml"), "{missing}");
    let Some(fake) = Fake::new(H100) else { return };
    let found = gpu(&doctor(&["--nvml", fake.file().to_str().unwrap()]));
    assert_eq!(found["by"], "NVML, driver 580.159.04: NVIDIA H100 80GB HBM3 at 0000:3b:00.0");
    let unloaded = Fake::new("init = error 9\n").unwrap();
    let found = gpu(&doctor(&["--nvml", unloaded.file().to_str().unwrap()]));
    assert_eq!(found["notes"][0], "cannot initialise NVML: the NVIDIA driver is not loaded (NVML error 9)");
}

/// The captured machine has no GPU: nothing is loaded and no process is started.
#[test]
fn a_machine_without_a_gpu_has_no_helper() {
    let (_folder, dir) = new();
    record(&dir, &[]).is(0, &[]);
    assert_eq!(collector(&dir, "gpu").0, "unavailable");
    assert!(cells(&dir, "gpu", &["gpu"]).is_empty());
}

#[test]
fn the_helper_is_not_a_command_for_users() {
    assert_eq!(run(["gpu-helper"]).status, 2);
}
