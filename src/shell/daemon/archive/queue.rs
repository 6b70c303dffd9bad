//! The queue of orders to the archive's thread: bounded, with memory only for the orders in it. The
//! bounded channel of the standard library allocates all of its places at the beginning, which is
//! 0.9 MB and nearly always unused.

use super::Order;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::time::Duration;

/// Upper bound of orders that wait. The history loses those beyond it; their reports are sent all
/// the same, and the run records and the journal have the deaths.
const CAPACITY: usize = 16_384;

/// The sender's side of the queue.
#[derive(Debug)]
pub(super) struct Orders {
    sender: Sender<Order>,
    waiting: Arc<AtomicUsize>,
}

/// The thread's side of the queue.
#[derive(Debug)]
pub(super) struct Waiting {
    receiver: Receiver<Order>,
    /// Number of orders in the queue, or a few more: each is counted before it can be taken.
    waiting: Arc<AtomicUsize>,
}

/// Returns the two sides of a new queue.
pub(super) fn queue() -> (Orders, Waiting) {
    let (sender, receiver) = channel();
    let waiting = Arc::<AtomicUsize>::default();
    (
        Orders {
            sender,
            waiting: Arc::clone(&waiting),
        },
        Waiting { receiver, waiting },
    )
}

impl Orders {
    /// Sends an order; `false`: too many orders wait, and this one is lost.
    pub(super) fn ask(&self, order: Order) -> bool {
        if self.waiting.load(Ordering::Relaxed) >= CAPACITY {
            return false;
        }
        self.hand_back(order)
    }

    /// Sends an order regardless of the bound: for the result of a search, of which there is one at
    /// a time.
    pub(super) fn hand_back(&self, order: Order) -> bool {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.sender.send(order).is_ok()
    }
}

impl Waiting {
    /// Returns the next order; waits for one for at most `patience`, without it for any time.
    ///
    /// # Errors
    /// No order came in time, or the sender is gone.
    pub(super) fn next(&self, patience: Option<Duration>) -> Result<Order, RecvTimeoutError> {
        let order = match patience {
            None => self
                .receiver
                .recv()
                .map_err(|_| RecvTimeoutError::Disconnected),
            Some(patience) => self.receiver.recv_timeout(patience),
        };
        self.count_off(order)
    }

    /// Returns the next order without waiting.
    ///
    /// # Errors
    /// There is no order, or the sender is gone.
    pub(super) fn try_next(&self) -> Result<Order, TryRecvError> {
        self.count_off(self.receiver.try_recv())
    }

    fn count_off<E>(&self, order: Result<Order, E>) -> Result<Order, E> {
        order.inspect(|_| {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_takes_no_more_until_there_is_room() {
        let (orders, waiting) = queue();
        assert!((0..CAPACITY).all(|_| orders.ask(Order::Recall)));
        assert!(!orders.ask(Order::Recall));
        assert!(
            waiting.try_next().is_ok() && orders.ask(Order::Recall) && !orders.ask(Order::Recall)
        );
        assert!(
            orders.hand_back(Order::Recall),
            "what was sent for comes back in any case"
        );
        assert_eq!(
            std::iter::from_fn(|| waiting.try_next().ok()).count(),
            CAPACITY + 1
        );
        assert!(orders.ask(Order::Recall));
        drop(orders);
        assert!(waiting.next(None).is_ok());
        assert_eq!(
            waiting.next(None).err(),
            Some(RecvTimeoutError::Disconnected)
        );
    }
}
