//! `perfwatch doctor`: reports what would be recorded, and changes nothing.

mod program;

use std::fs;

use program::*;

fn doctor(machine: &str, args: &[&str]) -> Said {
    let machine = fixture(machine);
    let mut command = program();
    command.arg("doctor").arg("--proc-root").arg(machine.join("proc")).arg("--sys-root").arg(machine.join("sys"));
    command.args(args).output().unwrap().into()
}

#[test]
fn available_and_unavailable_sources() {
    let said = doctor("old310", &[]);
    said.is(0, &[]);
    assert_eq!(said.err, "");
    for line in ["ok    cpu ", "no value on this kernel for available_bytes", "none  pressure ", "-> "] {
        assert!(said.out.contains(line), "no `{line}` in {}", said.out);
    }
    let json = doctor("vm2", &["--json"]).json();
    let state = |name: &str| {
        json["collectors"].as_array().unwrap().iter().find(|c| c["name"] == name).unwrap()["state"].clone()
    };
    assert_eq!((state("memory"), state("sensor")), ("recorded".into(), "unavailable".into()));
}

#[test]
fn it_works_on_an_empty_machine() {
    let empty = tempfile::tempdir().unwrap();
    for root in ["proc", "sys"] {
        fs::create_dir(empty.path().join(root)).unwrap();
    }
    let mut command = program();
    command
        .arg("doctor")
        .arg("--proc-root")
        .arg(empty.path().join("proc"))
        .arg("--sys-root")
        .arg(empty.path().join("sys"));
    let said: Said = command.output().unwrap().into();
    said.is(0, &[]);
    let none = format!("0 of {} sources can be recorded here", perfwatch::collect::REGISTRY.len());
    assert!(said.out.contains(&none), "{}", said.out);
}

#[test]
fn invalid_arguments() {
    doctor("vm2", &["--cpus", "x"]).is(2, &["--cpus x"]);
    run(["doctor", "--sys-root", "/no/such"]).is(2, &["/no/such is not a directory"]);
}
