//! Work on several threads, with the same results as on one.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// More threads do not help, because the disk or the memory is the limit.
pub const MOST: usize = 4;

/// The number of cores, at most [`MOST`].
pub fn default() -> usize {
    thread::available_parallelism().map_or(1, |cores| cores.get().min(MOST))
}

/// The results of `work` for all numbers below `n`, in order, computed by at most this number of threads including this one. Each
/// thread makes its own state. `done` is called on this thread from time to time with the number of finished items.
///
/// # Errors
/// The first error in order. After an error no more work is started.
pub fn map<S, T: Send, E: Send>(
    threads: usize,
    n: usize,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, usize) -> Result<T, E> + Sync,
    done: &mut dyn FnMut(usize),
) -> Result<Vec<T>, E> {
    let (next, finished, failed) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    let worker = |done: &mut dyn FnMut()| {
        let mut state = state();
        let mut results = Vec::new();
        while !failed.load(Ordering::Relaxed) {
            let i = next.fetch_add(1, Ordering::Relaxed);
            if i >= n {
                break;
            }
            let result = work(&mut state, i);
            failed.fetch_or(result.is_err(), Ordering::Relaxed);
            finished.fetch_add(1, Ordering::Relaxed);
            results.push((i, result));
            done();
        }
        results
    };
    let mut all = thread::scope(|scope| {
        let helpers: Vec<_> = (1..threads.min(n)).map(|_| scope.spawn(|| worker(&mut || {}))).collect();
        let mut all = worker(&mut || done(finished.load(Ordering::Relaxed)));
        for helper in helpers {
            // A panic continues on this thread.
            all.extend(helper.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        all
    });
    all.sort_by_key(|(i, _)| *i);
    done(all.len());
    all.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn squares(threads: usize, bad: &[usize]) -> Result<Vec<usize>, usize> {
        let mut heard = 0;
        let work = |calls: &mut usize, i: usize| {
            *calls += 1;
            if bad.contains(&i) { Err(i) } else { Ok(i * i) }
        };
        let found = map(threads, 100, || 0, work, &mut |done| heard = done);
        assert!(heard <= 100 && (found.is_err() || heard == 100), "{heard}");
        found
    }

    #[test]
    fn in_order_whatever_the_threads() {
        let want: Vec<usize> = (0..100).map(|i| i * i).collect();
        for threads in [0, 1, 2, 3, 200] {
            assert_eq!(squares(threads, &[]), Ok(want.clone()));
            assert_eq!(squares(threads, &[97, 41, 42]), Err(41));
        }
        assert_eq!(map(3, 0, || (), |(), i| Ok::<_, ()>(i), &mut |_| {}), Ok(vec![]));
    }
}
