//! The signature that makes two failures the same one.
//!
//! `LAW/ROLE/STATE/LAST`: the law's name, or the invariant's; `outgoing`, `accepted`, `listener`,
//! `datagram` or `none`; the Mux's state of the socket (`gone` if it knows none, `peer` where no
//! Mux is); the class of the last event or command about it. Where that would be the same for
//! failures of different causes, a fifth part tells them apart: `calm-succeeds` says which kind of
//! operation did not complete, `liveness` that a host is `busy` with nothing, `nothing-left` what
//! is. A panic has its text instead, without what differs from run to run:
//! `no-panic/an-open-stream-has-an-end`.

use tidelock_net::chance::choices::Choices;

use crate::judge::oracle::{Law, Violation};
use crate::world::World;

/// Of what was violated in a world, if something was.
pub fn of<C: Choices>(world: &World<C>) -> Option<String> {
    let Violation { law, name, detail, subject } = world.shared.oracle.violation.as_ref()?;
    if *law == Law::NoPanic {
        return Some(of_panic(detail));
    }
    let (role, last) = (subject.role.unwrap_or("none"), subject.last.unwrap_or("none"));
    let aspect = subject.aspect.map_or(String::new(), |aspect| format!("/{aspect}"));
    Some(format!("{name}/{role}/{}/{last}{aspect}", world.state_name(*subject)))
}

/// Of a panic, by its text: the first words, without numbers, ids and place.
pub fn of_panic(text: &str) -> String {
    const WORDS_MAX: usize = 8;
    let first = text.lines().next().unwrap_or("");
    // The place is the file's name and the line's number, which any edit moves.
    let first = first.rsplit_once(" (").map_or(first, |(before, _place)| before);
    // Of an assertion with a message, the message.
    let first = first.split_once(" failed: ").map_or(first, |(_assertion, message)| message);
    let is_plain = |word: &&str| !word.is_empty() && !word.contains(|c: char| c.is_ascii_digit());
    let words = first.split(|c: char| !c.is_ascii_alphanumeric()).filter(is_plain);
    let words: Vec<String> = words.take(WORDS_MAX).map(str::to_ascii_lowercase).collect();
    let text = if words.is_empty() { "without-words".to_owned() } else { words.join("-") };
    format!("{}/{text}", Law::NoPanic.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_known_by_its_words_and_not_by_its_numbers_or_place() {
        let table = [
            (
                "the slot 17 of #3.1 is taken (core/src/mux/slot.rs:84)",
                "no-panic/the-slot-of-is-taken",
            ),
            (
                "the slot 9 of #5.2 is taken (core/src/mux/slot.rs:99)",
                "no-panic/the-slot-of-is-taken",
            ),
            (
                "assertion `left == right` failed: entities are born in order\n  left: 3",
                "no-panic/entities-are-born-in-order",
            ),
            ("7 (a.rs:3)", "no-panic/without-words"),
            ("", "no-panic/without-words"),
        ];
        for (text, signature) in table {
            assert_eq!(of_panic(text), signature, "{text}");
        }
    }
}
