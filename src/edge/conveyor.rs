//! A pipeline: one thread produces items, another consumes them in the same order, while the boot
//! waits for both.

use std::mem;
use std::sync::mpsc::sync_channel;
use std::thread;

/// Number of items in a batch. With fewer items in all no second thread is started.
const BATCH: usize = 64;

/// Number of batches that may be queued. Then the producer waits, so memory stays bounded.
const WAITING: usize = 4;

/// Runs `make`, which passes each item to the function that it is given, and `take` on each item in
/// the same order.
pub fn convey<T: Send>(make: impl FnOnce(&mut dyn FnMut(T)), take: impl FnMut(T) + Send) {
    thread::scope(|scope| {
        let mut take = Some(take);
        let mut batch = Vec::with_capacity(BATCH);
        let mut belt = None;
        make(&mut |thing| {
            batch.push(thing);
            if batch.len() == BATCH {
                let full = mem::replace(&mut batch, Vec::with_capacity(BATCH));
                let belt = belt.get_or_insert_with(|| {
                    let (belt, other_end) = sync_channel::<Vec<T>>(WAITING);
                    let take = take.take().expect("the other end begins once");
                    scope.spawn(move || other_end.into_iter().flatten().for_each(take));
                    belt
                });
                belt.send(full)
                    .expect("the other end takes until the belt stops");
            }
        });
        match (belt, take) {
            (Some(belt), _) => belt
                .send(batch)
                .expect("the other end takes until the belt stops"),
            (None, Some(take)) => batch.into_iter().for_each(take),
            (None, None) => {}
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_arrives_once_and_in_order() {
        for count in [0, 1, BATCH - 1, BATCH, BATCH + 1, 1_000] {
            let mut taken = Vec::new();
            convey(
                |hand_over| (0..count).for_each(hand_over),
                |thing| taken.push(thing),
            );
            assert_eq!(taken, (0..count).collect::<Vec<_>>());
        }
    }
}
