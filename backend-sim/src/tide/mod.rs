//! The `.tide` artefact: a run, written down.
//!
//! A file is a version line and then one statement per line. What services send by themselves is
//! a consequence and does not stand in it. Three kinds of line say what happens: `op` comes from
//! outside, `fault` is world-level and has an end, `at` is one decision inside a call. In a
//! recording of a seed the operations and world-level faults follow from the `seed` line, so that
//! it holds `scenario`, `seed`, `config` and every decision that was not benign. Beside a `seed` line,
//! `op` lines take the place of all operations that would follow from it, and `fault` lines of all
//! its world-level faults.
//!
//! A script without a `seed` line says all of it: what it does not say does not happen, and options
//! that it does not name are neutral
//! ([`Options::neutral`](crate::swarm::Options::neutral)), the noise among them. An operation or
//! fault that waits `after` a label which no line has happens as soon as anything may, at 1 ms; one
//! that is asked of a connection which no line opens does nothing. So every line can be deleted by
//! itself, which is what shrinking does.
//!
//! ```text
//! tide 1
//! # the server reads the message in two pieces, and the second send meets a partition
//! scenario  echo
//! config    connections=2 readiness=0
//! noise     0
//! op        c1 @1ms     client connect server:9000
//! op        s1 after c1 client send c1 10
//! fault     p1 after s1 partition client>server until 30ms
//! op        s2 after s1 client send-low c1 20
//! at        c1'/in@4       cut 1  # the server reads 4 B first
//! at        server/turn#2  delay 40us
//! needs     open×read:short×linux
//! signature no-lost-edge/accepted/open/readable
//! ```
//!
//! # Grammar
//!
//! ```text
//! script    = "tide 1" [ comment ] newline { [ statement ] [ comment ] newline } ;
//! statement = "scenario" word                                   (* exactly once *)
//!           | "seed" number                                     (* at most once *)
//!           | "config" { name "=" value }                      (* lines add up; each name once *)
//!           | "noise" number                                    (* at most once *)
//!           | "op" label when word { word }
//!           | "fault" label when word { word } [ "until" time ]
//!           | "at" entity position kind [ number | time ]       (* no value: 1 *)
//!           | "needs" word
//!           | "signature" word ;                                (* at most once *)
//! when      = "@" time | "after" label ;
//! position  = "@" number | "@eof" | "#" number ;                (* joined to the entity *)
//! time      = "0" | digits ( "ns" | "us" | "ms" | "s" ) ;
//! number    = digits | "0x" hex digits ;
//! comment   = "#" text ;                                        (* at a line's start or after a blank *)
//! ```
//!
//! Words are separated by blanks and do not begin with `#`. A `name` holds no `=`; neither an
//! `entity` nor a `kind` is empty; the words of a `fault` do not end in `until` and a time. Labels
//! are unique among operations and faults.
//!
//! # Printing and reading are inverse
//!
//! For every [`Script`] that keeps the rules above, `parse(print(script)) == script`, and for
//! every text that printing gives, `print(parse(text)) == text`. A text that was laid out by hand
//! is read whatever its order and spacing; printed again, statements stand in the order above,
//! and a comment that belongs to no `op`, `fault` or `at` line moves to the head.

mod parse;
mod print;
pub(crate) mod spelling;

use tidelock_net::words::decision::Decision;
use tidelock_net::words::operation;

pub use parse::{Lines, ScriptError};

/// A run, written down. See the [module](self) for its text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// The scenario's name.
    pub scenario: String,
    /// The seed that it was recorded from: configuration, operations, world-level faults and noise
    /// are drawn from it; decisions are not.
    pub seed: Option<u64>,
    /// Derived options, name and value, in the order in which they are printed.
    pub config: Vec<(String, String)>,
    /// The seed of the noise, if it is not the one that follows from `seed`; 0 is constant minimal
    /// latency.
    pub noise: Option<u64>,
    /// The operations that come from outside.
    pub operations: Vec<ScriptOperation>,
    /// World-level faults.
    pub faults: Vec<ScriptFault>,
    /// Decisions inside calls. Whatever is absent is benign.
    pub decisions: Vec<Decision>,
    /// Coverage cells that a replay must reach for the file still to mean anything.
    pub needs: Vec<String>,
    /// The violation: law, role of the socket, state, class of the last event.
    pub signature: Option<String>,
    /// Lines of comment at the head, each without its `#`.
    pub comments: Vec<String>,
}

impl Script {
    /// Says an option, in place of what was said of it before.
    pub fn set(&mut self, option: &str, value: &str) {
        match self.config.iter_mut().find(|(name, _)| name == option) {
            Some((_, said)) => value.clone_into(said),
            None => self.config.push((option.to_owned(), value.to_owned())),
        }
    }
}

/// An `op` line: something that comes from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptOperation {
    /// Its name; never renumbered.
    pub label: String,
    /// When it happens.
    pub when: When,
    /// Actor, verb and arguments: at least one word.
    pub words: Vec<String>,
    /// The comment at the line's end; empty for none.
    pub note: String,
}

/// A `fault` line: something that is done to the world, with its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptFault {
    /// Its name; never renumbered.
    pub label: String,
    /// When it begins.
    pub when: When,
    /// Kind and arguments: at least one word.
    pub words: Vec<String>,
    /// When it ends, in nanoseconds of the world's time.
    pub until_nanos: Option<u64>,
    /// The comment at the line's end; empty for none.
    pub note: String,
}

/// When an operation or a fault begins: its label is as it is written.
pub type When = operation::When<String>;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use tidelock_net::words::decision::{Position, Value};
    use tidelock_net::words::text::parse_time;

    const EXAMPLE: &str = "\
tide 1
# FIN arrived with the last data, the reader stopped at a short read
scenario  echo
seed      0x2f11
config    hosts=2 readiness=weakest
noise     0
op        c1 @0       client connect server:9000
op        s1 after c1 client send c1 10
fault     p1 after s1 partition client>server until 30ms
at        c1'/in@eof             delay 0  # FIN in the same poll
at        server/poll#17         delay 40us
at        server/svc1/connect#0@4096 reset 1
needs     Open×in+rdhup×short
signature lost-edge/accepted/Open/readable
";

    fn word() -> impl Strategy<Value = String> {
        // A `#` that does not begin the word, and letters outside ASCII.
        "[a-zé×0-9@>:'/=.+-][a-zé×0-9@#>:'/=.+-]{0,8}"
    }

    fn comment() -> impl Strategy<Value = String> {
        prop_oneof![Just(String::new()), "[!-~]([ -~é]{0,20}[!-~])?"]
    }

    fn when() -> impl Strategy<Value = When> {
        let at = time().prop_map(|nanos| When::At { nanos });
        prop_oneof![at, word().prop_map(When::After)]
    }

    fn time() -> impl Strategy<Value = u64> {
        prop_oneof![
            any::<u64>(),
            0..5u64,
            (0..1_000u64, 0..4u32).prop_map(|(n, k)| n * 1_000u64.pow(k))
        ]
    }

    fn words() -> impl Strategy<Value = Vec<String>> {
        let either = prop_oneof![4 => word(), 1 => Just("until".to_owned())];
        let words = prop::collection::vec(either, 1..5);
        words.prop_filter("ambiguous", |words| {
            !matches!(words.as_slice(), [.., until, end]
                if until == "until" && parse_time(end).is_ok())
        })
    }

    fn decision() -> impl Strategy<Value = Decision> {
        let position = prop_oneof![
            any::<u64>().prop_map(Position::Offset),
            Just(Position::Eof),
            any::<u64>().prop_map(Position::Occurrence),
        ];
        let value = prop_oneof![
            any::<u64>().prop_map(Value::Number),
            time().prop_map(|nanos| Value::Time { nanos }),
        ];
        (word(), position, word(), value, comment()).prop_map(
            |(entity, position, kind, value, note)| Decision {
                note,
                ..Decision::new(entity, position, kind, value)
            },
        )
    }

    prop_compose! {
        fn script()(
            scenario in word(),
            seed in any::<Option<u64>>(),
            config in prop::collection::vec(("[a-z_]{1,16}", "[a-z0-9=#]{0,16}"), 0..12),
            noise in any::<Option<u64>>(),
            operations in prop::collection::vec((when(), words(), comment()), 0..4),
            faults in prop::collection::vec(
                (when(), words(), prop::option::of(time()), comment()), 0..4),
            decisions in prop::collection::vec(decision(), 0..5),
            needs in prop::collection::vec(word(), 0..3),
            signature in prop::option::of(word()),
            comments in prop::collection::vec(comment(), 0..3),
        ) -> Script {
            let operations = operations.into_iter().zip(0..);
            let faults = faults.into_iter().zip(0..);
            Script {
                scenario, seed, config, noise, decisions, needs, signature, comments,
                operations: operations.map(|((when, words, note), k)| {
                    ScriptOperation { label: format!("c{k}"), when, words, note }
                }).collect(),
                faults: faults.map(|((when, words, until_nanos, note), k)| {
                    ScriptFault { label: format!("p{k}"), when, words, until_nanos, note }
                }).collect(),
            }
        }
    }

    proptest! {
        #[test]
        fn reading_what_was_printed_gives_the_same_script(script in script()) {
            prop_assert_eq!(script.to_string().parse::<Script>(), Ok(script));
        }

        #[test]
        fn printing_what_was_read_gives_the_same_text(script in script()) {
            let text = script.to_string();
            let read: Script = text.parse().unwrap();
            prop_assert_eq!(read.to_string(), text);
        }

        /// Lines in any order and with any spacing mean the same, and any text can be asked.
        #[test]
        fn layout_means_nothing(script in script(), rotate in any::<prop::sample::Index>()) {
            let text = script.to_string();
            let mut lines: Vec<&str> = text.lines().skip(1).collect();
            let middle = rotate.index(lines.len());
            lines.rotate_left(middle);
            let comment_count = script.comments.len();
            let by_hand = format!("tide 1 \r\n\n  {}\r\n", lines.join("\r\n\t "));
            let mut read: Script = by_hand.parse().unwrap();
            prop_assert_eq!(read.comments.len(), comment_count);
            // Rotation splits a list at most once.
            rotate_back(&mut read.config, &script.config);
            rotate_back(&mut read.comments, &script.comments);
            rotate_back(&mut read.operations, &script.operations);
            rotate_back(&mut read.faults, &script.faults);
            rotate_back(&mut read.decisions, &script.decisions);
            rotate_back(&mut read.needs, &script.needs);
            prop_assert_eq!(read, script);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "(tide 1\n)?([a-z@# 0-9=.'\n]|at |op |µ){0,60}") {
            if let Err(error) = text.parse::<Script>() {
                prop_assert!(error.line <= text.lines().count() + 1);
                prop_assert!(!error.to_string().contains('\n'));
            }
        }
    }

    /// Rotates `list` until it is `wanted`, if that can be.
    fn rotate_back<T: PartialEq>(list: &mut [T], wanted: &[T]) {
        for _ in 0..list.len() {
            if list == wanted {
                return;
            }
            list.rotate_left(1);
        }
    }

    #[test]
    fn every_part_of_the_example_arrives() {
        let script: Script = EXAMPLE.parse().unwrap();
        assert_eq!((script.scenario.as_str(), script.seed), ("echo", Some(0x2f11)));
        assert_eq!(script.config[1], ("readiness".to_owned(), "weakest".to_owned()));
        assert_eq!(script.noise, Some(0));
        assert_eq!(script.operations[1].when, When::After("c1".to_owned()));
        assert_eq!(script.operations[1].words, ["client", "send", "c1", "10"]);
        assert_eq!(script.faults[0].until_nanos, Some(30_000_000));
        let [eof, poll, nested] = script.decisions.as_slice() else { panic!("three decisions") };
        assert_eq!((eof.entity.as_str(), eof.position), ("c1'/in", Position::Eof));
        assert_eq!(eof.note, "FIN in the same poll");
        assert_eq!((poll.position, poll.value.get()), (Position::Occurrence(17), 40_000));
        // Only the last position of a key is its own.
        assert_eq!(nested.entity, "server/svc1/connect#0");
        assert_eq!(nested.position, Position::Offset(4096));
        assert_eq!(script.needs, ["Open×in+rdhup×short"]);
        assert_eq!(script.signature.as_deref(), Some("lost-edge/accepted/Open/readable"));
        assert_eq!(script.comments.len(), 1);
    }

    #[test]
    fn columns_are_aligned() {
        let printed = EXAMPLE.parse::<Script>().unwrap().to_string();
        let decisions: Vec<&str> = printed.lines().filter(|line| line.starts_with("at")).collect();
        assert_eq!(
            decisions,
            [
                "at        c1'/in@eof                 delay 0  # FIN in the same poll",
                "at        server/poll#17             delay 40us",
                "at        server/svc1/connect#0@4096 reset 1",
            ]
        );
    }

    #[test]
    fn a_long_config_takes_several_lines() {
        let pair = |index| (format!("option_number_{index}"), "12345".to_owned());
        let config: Vec<_> = (0..12).map(pair).collect();
        let script = Script { scenario: "echo".to_owned(), config, ..Script::default() };
        let printed = script.to_string();
        let lines: Vec<_> = printed.lines().filter(|line| line.starts_with("config")).collect();
        assert_eq!(lines.len(), 4);
        assert!(lines.iter().all(|line| line.len() <= 98), "{lines:?}");
        assert_eq!(printed.parse(), Ok(script));
    }

    /// The mistakes in a text, as a user is told of them.
    #[test]
    fn errors_name_the_line_and_what_is_allowed() {
        let table = [
            ("", "line 1: expected the version line `tide 1`, found nothing"),
            ("tide 2\n", "line 1: expected the version line `tide 1`, found 'tide 2'"),
            ("tide 1\n\n", "line 3: expected a `scenario` line, found the end of the file"),
            (
                "tide 1\nscenario echo\nsead 4\n",
                "line 3: expected scenario, seed, config, noise, op, fault, at, needs, signature \
                 or a comment, found 'sead'",
            ),
            (
                "tide 1\nscenario echo\n# why\nseed 0x\n",
                "line 4: expected a number as 12049 or 0x2f11, below 2^64, found '0x'",
            ),
            (
                "tide 1\nseed +4\n",
                "line 2: expected a number as 12049 or 0x2f11, below 2^64, found '+4'",
            ),
            (
                "tide 1\nseed 18446744073709551616\n",
                "line 2: expected a number as 12049 or 0x2f11, below 2^64, found \
                 '18446744073709551616'",
            ),
            ("tide 1\nseed 1\nseed 1\n", "line 3: expected only one `seed` line, found another"),
            ("tide 1\nscenario a b\n", "line 2: expected the end of the line, found 'b'"),
            ("tide 1\nconfig hosts\n", "line 2: expected NAME=VALUE, found 'hosts'"),
            ("tide 1\nop c1 soon x\n", "line 2: expected `@TIME` or `after LABEL`, found 'soon'"),
            ("tide 1\nop c1 @3 x\n", "line 2: expected a time as 40us, 30ms or 2s, found '@3'"),
            (
                "tide 1\nop c1 @0 a\nfault c1 @0 b\n",
                "line 3: expected a label of its own, found 'c1' again",
            ),
            (
                "tide 1\nat c1/in cut 3\n",
                "line 2: expected a key that ends in @OFFSET, @eof or #OCCURRENCE, each a number below 2^64, found 'c1/in'",
            ),
            (
                "tide 1\nat @10 cut 3\n",
                "line 2: expected a key that ends in @OFFSET, @eof or #OCCURRENCE, each a number below 2^64, found '@10'",
            ),
            ("tide 1\nat c1@10 cut 3 4\n", "line 2: expected the end of the line, found '4'"),
            (
                "tide 1\nat c1@10 delay 3m\n",
                "line 2: expected a number, or a time as 40us, 30ms or 2s, found '3m'",
            ),
        ];
        for (text, message) in table {
            let error = text.parse::<Script>().expect_err(text);
            assert_eq!(error.to_string(), message, "of {text:?}");
        }
    }

    #[test]
    #[should_panic(expected = "not a word")]
    fn a_name_with_a_blank_is_not_printed() {
        let script = Script { scenario: "slow readers".to_owned(), ..Script::default() };
        drop(script.to_string());
    }
}
