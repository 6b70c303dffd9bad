//! Names of functions in readable form: C++ as gdb prints it, Rust without its hashes.
//!
//! A name can be made to unfold without end, so its output stops soon after the length that is ever
//! shown.

use std::fmt::{self, Write};

/// Length at which the output ends, in bytes: more than a backtrace shows of a name.
const LIMIT: usize = 1024;

/// Longest name that is read, in bytes; longer ones stay as they are: reading them is not worth its
/// cost.
const MANGLED_LIMIT: usize = 8192;

/// Returns the readable form of `name`; the name itself if it has none.
#[must_use]
pub(super) fn demangle(name: &str) -> String {
    // The linker's version of a symbol: memcpy@@GLIBC_2.14.
    let name = name
        .find('@')
        .filter(|at| *at > 0)
        .map_or(name, |at| &name[..at]);
    if name.len() > MANGLED_LIMIT {
        return name.to_owned();
    }
    if let Ok(rust) = rustc_demangle::try_demangle(name) {
        return bounded(|out| write!(out, "{rust:#}"));
    }
    let Ok(parsed) = cpp_demangle::Symbol::new(name) else {
        return name.to_owned();
    };
    let readable =
        bounded(|out| parsed.structured_demangle(out, &cpp_demangle::DemangleOptions::default()));
    if readable.is_empty() {
        name.to_owned()
    } else {
        readable
    }
}

/// Returns what `write` writes, up to the limit.
fn bounded(write: impl FnOnce(&mut Bounded) -> fmt::Result) -> String {
    let mut out = Bounded(String::new());
    // An error is the limit's: what is there is the beginning of the name.
    let _ = write(&mut out);
    out.0
}

struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() > LIMIT {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_people_write_them() {
        for (mangled, readable) in [
            ("main", "main"),
            ("_start", "_start"),
            ("memcpy@@GLIBC_2.14", "memcpy"),
            (
                "_ZN5mount6tables4RingIiLi7EE4pushEPi",
                "mount::tables::Ring<int, 7>::push(int*)",
            ),
            (
                "_ZN5mount6tables4fillERNS0_4RingIiLi7EEEPi",
                "mount::tables::fill(mount::tables::Ring<int, 7>&, int*)",
            ),
            (
                "_ZN56_$LT$panics..Shelf$LT$T$GT$$u20$as$u20$panics..Reach$GT$5reach17h098c463eb5d77a00E",
                "<panics::Shelf<T> as panics::Reach>::reach",
            ),
            (
                "_RNvNtNtNtCsjrHSEGnQ3l9_3std3sys3pal4unix14abort_internal",
                "std::sys::pal::unix::abort_internal",
            ),
            ("_Znonsense", "_Znonsense"),
            ("@", "@"),
            ("", ""),
        ] {
            assert_eq!(demangle(mangled), readable, "{mangled}");
        }
    }

    #[test]
    fn a_name_that_unfolds_without_end_is_cut() {
        // Each argument is a pair of two of the one before it.
        let doubled = |times: usize| -> String {
            let arguments = ('0'..='9')
                .chain('A'..='Z')
                .take(times)
                .map(|n| format!("S_IS{n}_S{n}_E"));
            format!("_Z1fSt4pairIiiE{}", arguments.collect::<String>())
        };
        let whole = "f(std::pair<int, int>, std::pair<std::pair<int, int>, std::pair<int, int> >)";
        assert_eq!(demangle(&doubled(1)), whole);
        let cut = demangle(&doubled(34));
        assert!(
            cut.starts_with("f(std::pair<int, int>, ") && cut.len() < 2 * LIMIT,
            "{cut}"
        );
        let long = format!("_Z1f{}", "PPi".repeat(MANGLED_LIMIT));
        assert_eq!(demangle(&long), long);
    }
}
