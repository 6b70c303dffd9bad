//! Work on many wards at once, while the boot waits.

use std::num::NonZero;
use std::thread;

/// Below this many items a second thread costs more than it saves.
const WORTH_A_THREAD: usize = 64;

/// More threads than this gain nothing: what is left is the kernel's work on one directory.
const MOST_THREADS: usize = 4;

/// Splits `items` into a few runs, works on them side by side, gives the results in order.
pub fn chunks<T: Sync, R: Send>(items: &[T], work: impl Fn(&[T]) -> R + Sync) -> Vec<R> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(MOST_THREADS);
    if threads == 1 || items.len() < WORTH_A_THREAD {
        return vec![work(items)];
    }
    let work = &work;
    thread::scope(|scope| {
        let (first, rest) = items.split_at(items.len().div_ceil(threads));
        let others: Vec<_> = rest.chunks(first.len()).map(|chunk| scope.spawn(move || work(chunk))).collect();
        let mut results = vec![work(first)];
        results.extend(others.into_iter().map(|other| other.join().expect("the work does not panic")));
        results
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_worked_on_once_and_in_order() {
        for count in [0, 1, 63, 64, 65, 1_000, 1_001] {
            let items: Vec<usize> = (0..count).collect();
            assert_eq!(chunks(&items, <[usize]>::to_vec).concat(), items);
        }
    }
}
