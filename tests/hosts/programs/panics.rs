//! Dies by a panic, or with the argument `segfault` by a null pointer, in functions of a generic trait implementation.

use std::hint::black_box;

trait Reach {
    fn reach(&self, at: usize) -> u8;
}

struct Shelf<T>(Vec<T>);

impl<T: Copy + Into<u8>> Reach for Shelf<T> {
    #[inline(never)]
    fn reach(&self, at: usize) -> u8 {
        let found: u8 = self.0[at].into();
        black_box(found) + 1
    }
}

#[inline(never)]
fn follow_a_null_pointer(pointer: *const u8) -> u8 {
    let before = black_box(1);
    // SAFETY: there is none, and that is what the program is for.
    let found = unsafe { std::ptr::read_volatile(pointer) };
    found + before
}

fn main() {
    let shelf = Shelf(vec![1u8, 2, 3]);
    let found = match std::env::args().nth(1) {
        Some(_) => follow_a_null_pointer(black_box(std::ptr::null())),
        None => shelf.reach(black_box(7)),
    };
    println!("{}", black_box(found));
}
