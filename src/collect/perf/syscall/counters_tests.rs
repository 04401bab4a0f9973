//! Counters against a scripted kernel.

use super::*;
use crate::collect::perf::syscall::plan::{CounterTrial, plan};
use crate::collect::perf::testing::Script;
use crate::events::machine::Machine;
use crate::events::pmu::tests::{roots, tree};
use crate::events::request::{Request, split_list};

const HYBRID: &[(&str, &str)] = &[
    ("bus/event_source/devices/cpu_core/type", "4\n"),
    ("bus/event_source/devices/cpu_core/cpus", "0\n"),
    ("bus/event_source/devices/cpu_atom/type", "10\n"),
    ("bus/event_source/devices/cpu_atom/cpus", "1\n"),
    ("bus/event_source/devices/power/type", "9\n"),
    ("bus/event_source/devices/power/cpumask", "0\n"),
    ("bus/event_source/devices/power/format/event", "config:0-7\n"),
    ("bus/event_source/devices/power/events/energy-pkg", "event=0x02\n"),
    ("bus/event_source/devices/power/events/energy-pkg.unit", "Joules\n"),
    ("bus/event_source/devices/power/events/energy-pkg.scale", "0.25\n"),
    ("bus/event_source/devices/msr/type", "11\n"),
    ("bus/event_source/devices/msr/format/event", "config:0-63\n"),
    ("bus/event_source/devices/thermal/type", "30\n"),
    ("bus/event_source/devices/thermal/events/level", "config=1\n"),
    ("bus/event_source/devices/thermal/events/level.snapshot", "1\n"),
];

struct Bench {
    counters: Counters,
    missing: Missing,
    script: Script,
}

/// (event, cpu, value, running, status)
type Plain = (String, Option<i32>, Option<f64>, Option<f64>, &'static str);

impl Bench {
    fn new(list: &str, per_cpu: bool) -> Bench {
        let dir = tree(HYBRID);
        let requests: Arc<[Request]> = split_list(list).into_iter().map(Request::new).collect();
        let script = Script::default();
        let cpus = BTreeSet::from([0, 1]);
        let trial = CounterTrial { whose: Whose::Cpu(0), on_cpus: Some(&cpus), together: true };
        let plan = plan(&requests, &Machine::from_roots(&roots(&dir)), &script.kernel(), &trial);
        script.forget();
        let mut counters = Counters::new(plan, script.kernel(), Vec::new(), true);
        for cpu in 0..2 {
            let place = CounterPlace { whose: PlaceOf::Cpu(cpu), cpu: per_cpu.then_some(cpu), target: None };
            assert_eq!(counters.open(&place), []);
        }
        counters.sort();
        Bench { counters, missing: Missing::new(requests), script }
    }

    fn read(&mut self) -> Vec<Plain> {
        let rows = self.counters.read(&mut self.missing);
        rows.iter().map(|r| (r.name.printed.clone(), r.cpu, r.value, r.running_percent, r.status.word())).collect()
    }
}

fn counted(event: &str, cpu: Option<i32>, value: f64, running: f64) -> Plain {
    (event.into(), cpu, Some(value), Some(running), "counted")
}

#[test]
fn counts_are_differences_over_all_cpus() {
    let mut b = Bench::new("cs,page-faults", false);
    // A group: number of members, enabled, running, values.
    b.script.answers(0, &[2, 100, 100, 5, 50]);
    b.script.answers(1, &[2, 100, 100, 7, 70]);
    b.read();
    b.script.answers(0, &[2, 1100, 1100, 6, 53]);
    b.script.answers(1, &[2, 1100, 1100, 10, 70]);
    assert_eq!(b.read(), [counted("cs", None, 4.0, 100.0), counted("page-faults", None, 3.0, 100.0)]);
    assert_eq!(b.missing.take(), None);
}

#[test]
fn each_cpu_has_its_own_row() {
    let mut b = Bench::new("cs", true);
    for (cpu, value) in [(0, 5), (1, 7)] {
        b.script.answers(cpu, &[value, 100, 100]);
    }
    b.read();
    b.script.answers(0, &[6, 200, 200]);
    b.script.answers(1, &[9, 200, 200]);
    assert_eq!(b.read(), [counted("cs", Some(0), 1.0, 100.0), counted("cs", Some(1), 2.0, 100.0)]);
}

#[test]
fn shared_counters_are_scaled_on_each_cpu() {
    let mut b = Bench::new("cpu_core/cycles/,cpu_atom/cycles/", false);
    b.script.answers(0, &[1000, 0, 0]);
    b.script.answers(1, &[1000, 0, 0]);
    b.read();
    b.script.answers(0, &[1300, 1000, 250]);
    b.script.answers(1, &[1000, 1000, 0]);
    assert_eq!(
        b.read(),
        [
            // 300 in a quarter of the time.
            counted("cpu_core/cycles/", None, 1200.0, 25.0),
            ("cpu_atom/cycles/".into(), None, None, Some(0.0), "not_counted"),
        ]
    );
    assert_eq!(b.missing.take().as_deref(), Some("cpu_atom/cycles/"));
    // It was not enabled at all: nothing ran there.
    b.script.answers(0, &[1400, 2000, 1250]);
    b.script.answers(1, &[1000, 1000, 0]);
    let rows = b.read();
    assert_eq!(rows[0], counted("cpu_core/cycles/", None, 100.0, 100.0));
    assert_eq!(rows[1], ("cpu_atom/cycles/".into(), None, None, None, "not_counted"));
}

#[test]
fn a_cpu_without_a_free_counter_is_assumed_to_count_like_the_others() {
    let mut b = Bench::new("msr/event=1/", false);
    b.script.answers(0, &[0, 0, 0]);
    b.script.answers(1, &[0, 0, 0]);
    b.read();
    // 100 on one CPU in half of its time; the other one's time counts as well.
    b.script.answers(0, &[100, 1000, 500]);
    b.script.answers(1, &[0, 1000, 0]);
    assert_eq!(b.read(), [counted("msr/event=1/", None, 400.0, 25.0)]);
    // A counter that decreased is not a count.
    b.script.answers(0, &[90, 2000, 1500]);
    b.script.answers(1, &[50, 2000, 1000]);
    assert_eq!(b.read(), [counted("msr/event=1/", None, 100.0, 50.0)]);
}

#[test]
fn one_request_has_a_row_per_kind_of_cpu() {
    let mut b = Bench::new("cycles", false);
    b.script.answers(0, &[0, 0, 0]);
    b.script.answers(1, &[0, 0, 0]);
    b.read();
    b.script.answers(0, &[10, 100, 100]);
    b.script.answers(1, &[20, 100, 100]);
    assert_eq!(
        b.read(),
        [counted("cpu_atom/cycles/", None, 20.0, 100.0), counted("cpu_core/cycles/", None, 10.0, 100.0)]
    );
    assert_eq!(b.missing.take(), None);
}

#[test]
fn units_scales_and_levels() {
    let mut b = Bench::new("power/energy-pkg/,thermal/level/,cpu-clock", false);
    let rows = |b: &Bench| b.counters.series.iter().map(|s| s.unit.clone()).collect::<Vec<_>>();
    assert_eq!(rows(&b), [Some("Joules".into()), None, Some("msec".into())]);
    // In the order of opening on CPU 0: energy, level, clock.
    for (n, words) in [(0, [100, 1, 1]), (1, [40, 1, 1]), (2, [0, 1, 1])] {
        b.script.answers_nth(0, n, &words);
    }
    for n in 0..2 {
        b.script.answers_nth(1, n, &[0, 1, 1]);
    }
    b.read();
    for (n, words) in [(0, [110, 2, 2]), (1, [42, 2, 2]), (2, [1_500_000, 2, 2])] {
        b.script.answers_nth(0, n, &words);
    }
    let values: Vec<_> = b.read().into_iter().map(|r| r.2).collect();
    assert_eq!(values, [Some(2.5), Some(42.0), Some(1.5)]);
}

#[test]
fn counters_of_a_socket_stay_when_their_cpu_goes_offline() {
    let mut b = Bench::new("power/energy-pkg/,cs", false);
    assert_eq!(b.counters.descriptors(), 3);
    b.counters.keep_only(&BTreeSet::from([1]));
    assert_eq!(b.counters.descriptors(), 2, "the kernel reads through another CPU");
    b.counters.keep_only(&BTreeSet::new());
    assert_eq!(b.counters.descriptors(), 1);
}

#[test]
fn a_cpu_that_comes_back_does_not_double_its_socket() {
    let mut b = Bench::new("power/energy-pkg/,cs", false);
    b.counters.keep_only(&BTreeSet::from([1]));
    let place = CounterPlace { whose: PlaceOf::Cpu(0), cpu: None, target: None };
    assert_eq!(b.counters.open(&place), []);
    assert_eq!(b.counters.descriptors(), 3, "cs is opened again, energy was never closed");
}

#[test]
fn one_counter_that_does_not_change_does_not_mean_an_offline_cpu() {
    let mut b = Bench::new("cs,cycles:u", false);
    for (cpu, n) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        b.script.answers_nth(cpu, n, &[5, 100, 100]);
    }
    b.read();
    for (cpu, n, time) in [(0, 0, 200), (0, 1, 100), (1, 0, 100), (1, 1, 100)] {
        b.script.answers_nth(cpu, n, &[5, time, time]);
    }
    b.read();
    assert_eq!(b.counters.stalled(), &BTreeSet::from([1]));
}

#[test]
fn a_part_is_not_reported_as_the_whole() {
    let dir = tree(&[]);
    let requests: Arc<[Request]> = ["cs", "cycles"].into_iter().map(Request::new).collect();
    // The descriptors are used up on the second CPU.
    let kernel: Kernel = Arc::new(|ask: &Ask| match ask.whose {
        Whose::Cpu(1) if ask.id.kind == 0 => Err(libc::EMFILE),
        _ => crate::collect::perf::testing::counts(),
    });
    let cpus = BTreeSet::from([0, 1]);
    let trial = CounterTrial { whose: Whose::Cpu(0), on_cpus: Some(&cpus), together: true };
    let plan = plan(&requests, &Machine::from_roots(&roots(&dir)), &kernel, &trial);
    for (per_cpu, expected) in [(false, &["cs"][..]), (true, &["cs", "cs", "cycles"])] {
        let mut counters = Counters::new(plan.clone(), kernel.clone(), Vec::new(), true);
        let place = |cpu| CounterPlace { whose: PlaceOf::Cpu(cpu), cpu: per_cpu.then_some(cpu), target: None };
        assert_eq!(counters.open(&place(0)), []);
        let refused = counters.open(&place(1));
        assert_eq!((refused.len(), &*refused[0].event, &refused[0].why), (1, "cycles", &Why::Missing(libc::EMFILE)));
        counters.sort();
        counters.close_broken();
        let rows = counters.read(&mut Missing::new(requests.clone()));
        assert_eq!(rows.iter().map(|r| r.name.printed.as_str()).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn a_counter_that_ends_gives_no_value() {
    let mut b = Bench::new("cs", false);
    b.script.answers(0, &[5, 100, 100]);
    b.script.answers(1, &[5, 100, 100]);
    b.read();
    b.script.answers(0, &[8, 200, 200]);
    b.script.answers(1, &[]);
    assert_eq!(b.read(), [counted("cs", None, 3.0, 100.0)]);
    b.counters.keep_only(&BTreeSet::new());
    assert_eq!(b.read(), [("cs".into(), None, None, None, "not_counted")]);
    assert_eq!(b.counters.descriptors(), 0);
}

/// Touches this many fresh pages.
#[allow(unsafe_code, reason = "a mapping by hand, so that each page faults exactly once")]
fn fault(pages: usize) {
    let length = pages * procfs::page_size() as usize;
    // SAFETY: a mapping of our own, written within its length and given back.
    unsafe {
        let (read_write, private) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        let start = libc::mmap(std::ptr::null_mut(), length, read_write, private, -1, 0);
        assert_ne!(start, libc::MAP_FAILED);
        libc::madvise(start, length, libc::MADV_NOHUGEPAGE);
        for page in 0..pages {
            start.cast::<u8>().add(page * procfs::page_size() as usize).write_volatile(1);
        }
        libc::munmap(start, length);
    }
}

#[test]
fn the_real_kernel_counts_what_this_thread_and_its_child_do() {
    let requests: Arc<[Request]> = [Request::new("minor-faults:u")].into();
    let kernel = crate::collect::perf::syscall::open::kernel();
    let trial = CounterTrial { whose: Whose::Thread(0), on_cpus: None, together: false };
    let plan = plan(&requests, &Machine::from_roots(&crate::linux::files::Roots::default()), &kernel, &trial);
    if plan.planned.is_empty() {
        return eprintln!("skipped: perf events are forbidden here: {:?}", plan.refused);
    }
    let mut counters = Counters::new(plan, kernel, Vec::new(), false);
    assert_eq!(counters.open(&CounterPlace { whose: PlaceOf::Thread(0), cpu: None, target: None }), []);
    let mut missing = Missing::new(requests);
    counters.read(&mut missing);
    fault(1000);
    let own = counters.read(&mut missing)[0].value.unwrap();
    assert!((1000.0..1050.0).contains(&own), "{own}");
    // A thread that begins now is counted with this one.
    std::thread::spawn(|| fault(2000)).join().unwrap();
    let with_child = counters.read(&mut missing)[0].value.unwrap();
    assert!((2000.0..2200.0).contains(&with_child), "{with_child}");
    assert_eq!(missing.take(), None);
}

#[test]
fn a_sleeping_target_has_a_count_of_zero() {
    let requests: Arc<[Request]> = [Request::new("cs")].into();
    let (ours, theirs) = std::os::unix::net::UnixDatagram::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    // The first descriptor is used by the trial.
    let ends = std::sync::Mutex::new(vec![std::os::fd::OwnedFd::from(theirs)]);
    let kernel: Kernel = Arc::new(move |ask: &Ask| match ask.whose {
        Whose::Thread(17) => ends.lock().unwrap().pop().ok_or(libc::EMFILE),
        _ => crate::collect::perf::testing::counts(),
    });
    let trial = CounterTrial { whose: Whose::Thread(1), on_cpus: None, together: false };
    let plan = plan(&requests, &Machine::from_roots(&roots(&tree(&[]))), &kernel, &trial);
    let mut counters = Counters::new(plan, kernel, Vec::new(), false);
    assert_eq!(counters.open(&CounterPlace { whose: PlaceOf::Thread(17), cpu: None, target: None }), []);
    let mut missing = Missing::new(requests);
    let mut read = |words: [u64; 3]| {
        ours.send(&words.iter().flat_map(|w| w.to_ne_bytes()).collect::<Vec<u8>>()).unwrap();
        let row = counters.read(&mut missing)[0].clone();
        (row.value, row.status.word(), row.running_percent, missing.take())
    };
    read([5, 100, 100]);
    assert_eq!(read([5, 100, 100]), (Some(0.0), "counted", None, None), "it slept");
    assert_eq!(read([7, 300, 300]), (Some(2.0), "counted", Some(100.0), None));
    assert_eq!(read([7, 500, 300]).1, "not_counted", "it ran, but found no counter");
}

#[test]
fn a_zero_of_a_kernel_event_in_user_mode_is_null() {
    let mut bench = Bench::new("cs:u,page-faults:u", false);
    let mut read = |words: [u64; 5]| {
        (0..2).for_each(|cpu| bench.script.answers(cpu, &words));
        bench.read()
    };
    read([2, 100, 100, 0, 5]);
    let rows = read([2, 200, 200, 0, 5]);
    let faults = ("page-faults:u".into(), None, Some(0.0), Some(100.0), "counted");
    assert_eq!(rows, [("cs:u".into(), None, None, None, "not_supported"), faults]);
    assert_eq!(bench.missing.take().as_deref(), Some("cs:u"));
}
