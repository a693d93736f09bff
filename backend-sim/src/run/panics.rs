//! A panic inside a run is a finding, with its place, and not the end of the campaign.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};

thread_local! {
    static IN_A_RUN: Cell<bool> = const { Cell::new(false) };
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// From now on a panic inside a run is not printed, but told by the run's report, with its place.
/// Panics elsewhere are printed as ever. Without this call a report lacks the place.
pub fn keep_panics_quiet() {
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !IN_A_RUN.get() {
            return print(info);
        }
        let place = info.location().map(|at| format!(" ({}:{})", at.file(), at.line()));
        let text = format!("{}{}", text_of(info.payload()), place.unwrap_or_default());
        LAST.set(Some(text));
    }));
}

/// Calls `run`; a panic in it becomes its text. May be nested.
pub(crate) fn catch<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    let is_nested = IN_A_RUN.replace(true);
    // Whatever the run has left half-done was its own: a simulated world shares nothing.
    let result = panic::catch_unwind(AssertUnwindSafe(run));
    IN_A_RUN.set(is_nested);
    let noted = LAST.take();
    result.map_err(|payload| noted.unwrap_or_else(|| text_of(&*payload).to_owned()))
}

fn text_of(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or(payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("a value, not a text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_text() {
        assert_eq!(catch(|| 3), Ok(3));
        let text = |run: fn()| catch(run).expect_err("it panics");
        assert!(text(|| panic!("plain")).starts_with("plain"));
        assert!(text(|| panic!("with {}", 7)).starts_with("with 7"));
        assert!(text(|| std::panic::panic_any(7)).starts_with("a value, not a text"));
        assert_eq!(catch(|| 4), Ok(4), "the thread goes on");
        let inner: fn() = || panic!("inner");
        let nested = catch(|| (catch(inner).is_err(), IN_A_RUN.get()));
        assert_eq!(nested, Ok((true, true)), "the outer one goes on");
    }
}
