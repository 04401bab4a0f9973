//! Decodes bytes that may be damaged: a panic in the decoder becomes an error.
//!
//! The Parquet crate reports most damage as errors, but flipped bits in the levels of a page cause failed assertions in
//! the Arrow crates. One damaged file must not prevent the report of the others.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Calls `decode`. If it panics, the message is returned instead of printed.
///
/// # Errors
/// The message of the panic.
pub fn guarded<T>(decode: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !GUARDED.get() {
                usual(info);
            }
        }));
    });
    let before = GUARDED.replace(true);
    // The values that `decode` built are dropped by the panic; none of them is used afterwards.
    let result = catch_unwind(AssertUnwindSafe(decode));
    GUARDED.set(before);
    result.map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string).or_else(|| panic.downcast_ref().cloned());
        text.unwrap_or_else(|| "the decoder failed".to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_text() {
        assert_eq!(guarded(|| 7), Ok(7));
        let at = 9;
        assert_eq!(guarded(|| assert!(at < 3, "{at} is out of bounds")), Err("9 is out of bounds".to_string()));
        assert_eq!(guarded(|| assert!(at < 3, "fixed")), Err("fixed".to_string()));
    }
}
