//! What happened on the machine during a run, as a comparison sees it.

mod common;

use common::{Machine, Recording};
use perfwatch::collect::catalog;
use perfwatch::compare::conditions::Conditions;
use perfwatch::linux::clock::Event;
use perfwatch::store::read;

/// The state of the machine after some seconds: each second its two CPUs work for 0.3 s, and the hypervisor takes
/// 0.3 s of the 2 s of CPU time; a task waits for 0.25 s.
fn put(machine: &Machine, second: u64) {
    let (used, idle) = (1000 + 30 * second, 1000 + 140 * second);
    machine.put("proc/stat", &format!("cpu  {used} 0 0 {idle} 0 0 0 {used} 0 0\ncpu0 0 0 0 0 0 0 0 0 0 0\n"));
    let total = 250_000 * second;
    machine.put("proc/pressure/cpu", &format!("some avg10=0.00 avg60=0.00 avg300=0.00 total={total}\n"));
}

fn recorded(seconds: u64) -> Conditions {
    let machine = Machine::new();
    put(&machine, 0);
    let ran = Recording::of(&machine).collectors(&["cpu", "pressure"]).stop_at(seconds).record(|second| {
        put(&machine, second);
        Event::OnTime
    });
    let mut problems = Vec::new();
    let conditions = Conditions::read(&read::open(ran.dir(), catalog::tables()).unwrap(), &mut problems);
    assert!(problems.is_empty());
    conditions
}

#[test]
fn shares_of_the_time() {
    let conditions = recorded(4);
    let near = |value: Option<f64>, expected: f64| {
        assert!(value.is_some_and(|value| (value - expected).abs() < 0.01), "{conditions:?}");
    };
    near(conditions.steal_percent, 15.0);
    near(conditions.cpu_pressure_percent, 25.0);
    // Without a recorded command, all processes are others.
    assert_eq!((conditions.others_cpus, conditions.throttled_percent), (None, None));
}
