//! Which cells can be reached: data, written by hand, with a reason for each class
//! that cannot. The first row that fits says why; what no row fits is legal.
//!
//! The reasons follow from the tables of `core/docs/states.md`, from the numbered promises of
//! [`Backend`](tidelock_core::Backend), and from what the simulated kernel models. A campaign that
//! reaches an excluded cell fails by its name: then a row is wrong, or the core is.

use super::cell::{CELLS, Cell};
use super::set::Set;

/// Why a class of cells or pairs cannot be reached.
pub type Excluded = &'static str;

/// Words, one of which must fit; none means any.
type Words = &'static [&'static str];

/// A class of cells that cannot be reached.
struct Row {
    states: States,
    holds: Holds,
    /// The thing met, as [`is_met`] reads it.
    met: Words,
    profiles: Words,
    why: Excluded,
}

/// Which states a row is about.
enum States {
    In(Words),
    NotIn(Words),
}

/// The other conditions for a row to fit.
enum Holds {
    Nothing,
    Paused,
    NotPaused,
    Eof,
    NoEof,
    Output(Words),
    PausedAndEof,
    NotPausedNorEof,
    EofOrBegun,
    EofWithoutBegun,
}

use Holds::{
    Eof, EofOrBegun, EofWithoutBegun, NoEof, NotPaused, NotPausedNorEof, Nothing, Output, Paused,
    PausedAndEof,
};
use States::{In, NotIn};

const ANY: States = In(&[]);
const READINESS: Words = &["linux", "weakest", "kqueue"];
/// All but kqueue, whose two filters tell of a socket separately.
const TOGETHER: Words = &["linux", "weakest", "completion"];
const COMPLETION: Words = &["completion"];
const STREAMS: Words = &["accepted", "open", "eof-seen", "flushing", "draining"];

const fn row(states: States, holds: Holds, met: Words, profiles: Words, why: Excluded) -> Row {
    Row { states, holds, met, profiles, why }
}

const ROWS: &[Row] = &[
    // Situations that do not exist.
    row(
        In(&["accepted", "eof-seen", "closing", "stale"]),
        Paused,
        &[],
        &[],
        "no input can be wanted here, so that none is refused",
    ),
    row(ANY, PausedAndEof, &[], &[], "after the end no input can be wanted"),
    row(
        NotIn(&["eof-seen", "flushing", "closing"]),
        Eof,
        &[],
        &[],
        "the end of the stream was not read yet, or ended the socket at once",
    ),
    row(In(&["eof-seen"]), NoEof, &[], &[], "the state says that the end was read"),
    row(
        In(&["listening", "draining", "stale"]),
        Output(&["whole", "begun"]),
        &[],
        &[],
        "nothing is queued here: a listener sends nothing, and FIN is behind everything",
    ),
    row(
        In(&["opening", "connecting", "datagram"]),
        Output(&["begun"]),
        &[],
        &[],
        "nothing begins before the socket is open, and a datagram goes as a whole",
    ),
    // The style of the backend.
    row(ANY, Nothing, &["bits"], COMPLETION, "a completion backend tells of no readiness"),
    row(ANY, Nothing, &["completion"], READINESS, "a readiness backend completes nothing"),
    row(ANY, Nothing, &["close:later"], READINESS, "a readiness backend lets go at once"),
    row(
        ANY,
        Nothing,
        &["connect:ok", "accept:ok", "accept:fault", "receive:ok", "receive:fault"],
        COMPLETION,
        "only reads and writes complete at once in this model",
    ),
    row(ANY, Nothing, &["nothing"], &[], "no poll gives an event without a bit"),
    row(
        ANY,
        Nothing,
        &["+fin", "+failed"],
        &["weakest"],
        "what is promised and no more: neither FIN nor an error is told of",
    ),
    // Which call is made in which state.
    row(In(&["stale"]), Nothing, &["call"], &[], "nothing is called for an id that is not alive"),
    row(
        NotIn(&["opening"]),
        Nothing,
        &["listen:", "open-datagram:", "adopt:"],
        &[],
        "a socket is opened once, before everything else",
    ),
    row(ANY, Nothing, &["adopt:"], &[], "the model has no descriptors of others"),
    row(In(&["opening"]), Output(&["whole"]), &["listen:"], &[], "a listener sends nothing"),
    row(
        In(&["opening"]),
        Nothing,
        &["bits", "event", "resolve:", "connect:", "accept:", "stream", "datagram", "close:"],
        &[],
        "the backend was not asked yet, so it knows nothing of the socket",
    ),
    row(
        NotIn(&["connecting"]),
        Nothing,
        &["resolve:", "connect:"],
        &[],
        "only what connects resolves and connects",
    ),
    row(NotIn(&["listening"]), Nothing, &["accept:"], &[], "only a listener accepts"),
    row(
        NotIn(&["closing", "connecting"]),
        Nothing,
        &["close:"],
        &[],
        "only what ends is closed, and an attempt to connect that took too long",
    ),
    row(
        In(&["closing"]),
        Nothing,
        &["stream", "datagram"],
        &[],
        "of a socket that ends nothing is asked but to close",
    ),
    row(
        NotIn(&["open", "flushing", "draining"]),
        Nothing,
        &["read:"],
        &[],
        "nothing is read in a state in which no input is wanted",
    ),
    row(
        ANY,
        Paused,
        &["read:", "receive:", "accept:"],
        &[],
        "nothing is read or accepted that is not wanted",
    ),
    row(ANY, Eof, &["read:"], &[], "nothing is read behind the end"),
    row(ANY, Eof, &["shutdown:"], &[], "after the peer's end a close says FIN as well"),
    row(
        NotIn(&["accepted", "open", "eof-seen", "flushing"]),
        Nothing,
        &["write:"],
        &[],
        "only a stream whose output is open writes",
    ),
    row(ANY, Output(&["empty"]), &["write:", "send-to:"], &[], "there is nothing to write"),
    row(
        NotIn(&["flushing"]),
        Nothing,
        &["shutdown:"],
        &[],
        "FIN goes when what is queued has gone",
    ),
    row(ANY, Output(&["whole", "begun"]), &["shutdown:"], &[], "FIN would overtake what is queued"),
    row(NotIn(STREAMS), Nothing, &["take-error:"], &[], "only a stream that is open breaks"),
    row(
        ANY,
        Nothing,
        &["take-error:"],
        &["weakest", "completion"],
        "only who is told of a failure asks for it",
    ),
    row(
        ANY,
        Output(&["begun"]),
        &["take-error:none"],
        &[],
        "an error that is gone was met by a write, and what had begun went with it",
    ),
    row(
        In(&["open"]),
        NotPaused,
        &["take-error:"],
        &[],
        "a read finds the error, and reads what came before it",
    ),
    row(
        In(&["draining", "flushing"]),
        NotPausedNorEof,
        &["take-error:"],
        &[],
        "a read finds the error: what comes is read, to be thrown away or told",
    ),
    row(
        NotIn(&["datagram", "flushing"]),
        Nothing,
        &["connect-datagram:", "send-to:"],
        &[],
        "only a datagram socket sends datagrams",
    ),
    row(
        In(&["flushing"]),
        EofOrBegun,
        &["connect-datagram:", "send-to:"],
        &[],
        "a datagram socket has no end, and sends wholes",
    ),
    row(ANY, Nothing, &["send-to:later"], COMPLETION, "datagrams go at once in this model"),
    row(NotIn(&["datagram"]), Nothing, &["receive:"], &[], "only a datagram socket receives"),
    row(
        In(&["connecting"]),
        Nothing,
        &["set-option:"],
        &[],
        "options wait until there is a socket that is open",
    ),
    // Which bits stand together: the kernel computes them from one state.
    row(In(&["listening", "datagram"]), Nothing, &["+fin"], &[], "only a stream has an end"),
    row(In(&["listening"]), Nothing, &["+failed"], &[], "a listener does not break"),
    row(
        ANY,
        Nothing,
        &[
            "readable+writable+fin",
            "readable+writable+failed",
            "readable+writable+fin+failed",
            "fin",
            "failed",
        ],
        &["kqueue"],
        "each filter tells of its own direction; only what nothing caused names both",
    ),
    row(
        ANY,
        Nothing,
        &["writable+fin", "writable+fin+failed", "writable+failed", "fin", "failed", "fin+failed"],
        TOGETHER,
        "after FIN and after an error a read answers, so that it is readable",
    ),
    row(
        ANY,
        Nothing,
        &["readable+failed"],
        TOGETHER,
        "a failure without an end leaves the output to fail, so that it is writable",
    ),
    row(
        In(&["accepted", "open", "eof-seen", "draining"]),
        Nothing,
        &["readable+writable+failed", "readable+failed", "writable+failed"],
        &[],
        "an open stream that broke has ended, too",
    ),
    row(
        In(&["flushing", "closing"]),
        EofOrBegun,
        &["readable+writable+failed", "readable+failed", "writable+failed"],
        &[],
        "what read its end or began to write was an open stream, and those end when they break",
    ),
    row(
        In(&["eof-seen", "open", "accepted", "connecting", "flushing"]),
        Nothing,
        &["readable+fin+failed"],
        TOGETHER,
        "only what sent FIN itself is told that both directions ended",
    ),
    row(
        NotIn(&["draining", "closing", "stale"]),
        Nothing,
        &["fin+failed"],
        &["kqueue"],
        "only what sent FIN itself, and is full, is told that both directions ended and no more",
    ),
    row(
        In(&["closing"]),
        Output(&["whole", "begun"]),
        &["readable+fin+failed"],
        TOGETHER,
        "only what sent FIN itself is told this, and FIN is behind everything",
    ),
    row(
        In(&["closing"]),
        Output(&["whole", "begun"]),
        &["fin+failed"],
        &["kqueue"],
        "only what sent FIN itself is told this, and FIN is behind everything",
    ),
    row(
        In(&["connecting"]),
        Nothing,
        &["readable+fin"],
        TOGETHER,
        "nothing was written yet, so there is room to write",
    ),
    // What is completed in which state.
    row(
        In(&["stale"]),
        Nothing,
        &["completion"],
        &[],
        "an id goes back only after everything of it was completed",
    ),
    row(
        NotIn(&["connecting", "closing"]),
        Nothing,
        &["connected:"],
        &[],
        "only what connects is connected",
    ),
    row(
        NotIn(&["connecting", "closing", "stale"]),
        Nothing,
        &["resolved:"],
        &[],
        "only what connects is resolved",
    ),
    row(NotIn(&["listening", "closing"]), Nothing, &["accepted:"], &[], "only a listener accepts"),
    row(
        NotIn(&["open", "flushing", "draining", "closing"]),
        Nothing,
        &["received:"],
        &[],
        "no read is pending in a state in which no input is wanted",
    ),
    row(
        ANY,
        Eof,
        &["received:", "connected:", "accepted:", "received-from:", "resolved:"],
        &[],
        "after the end of a stream nothing is pending but a write",
    ),
    row(
        NotIn(&["datagram", "flushing", "closing"]),
        Nothing,
        &["received-from:"],
        &[],
        "only a datagram socket receives",
    ),
    row(
        In(&["flushing"]),
        EofOrBegun,
        &["received-from:"],
        &[],
        "a datagram socket has no end, and sends wholes",
    ),
    row(
        ANY,
        Output(&["empty", "whole"]),
        &["written:"],
        &[],
        "what a pending write was offered has begun",
    ),
    row(
        NotIn(&["closing"]),
        Nothing,
        &[
            "received:cancelled",
            "written:cancelled",
            "accepted:cancelled",
            "received-from:cancelled",
        ],
        &[],
        "only a close cancels",
    ),
    row(
        NotIn(&["closing", "connecting"]),
        Nothing,
        &["closed:"],
        &[],
        "only what was asked to close has closed",
    ),
    row(
        In(&["connecting"]),
        Nothing,
        &["close:ok"],
        COMPLETION,
        "the attempt that is given up is pending, so that close waits for it",
    ),
    row(
        In(&["closing"]),
        EofWithoutBegun,
        &["close:later"],
        &[],
        "after the end of a stream nothing is pending but a write",
    ),
    row(
        In(&["closing"]),
        Output(&["begun"]),
        &["connected:", "accepted:", "received-from:", "resolved:"],
        &[],
        "what has begun to write is a stream that was open",
    ),
    row(In(&["closing"]), Output(&["whole"]), &["accepted:"], &[], "a listener sends nothing"),
];

impl Row {
    fn fits(&self, cell: Cell, met: &str) -> bool {
        let state = cell.state();
        let has_state = match self.states {
            In(states) => states.is_empty() || states.contains(&state),
            NotIn(states) => !states.contains(&state),
        };
        let (paused, eof, output) = (cell.is_paused(), cell.is_eof(), cell.output());
        let holds = match self.holds {
            Nothing => true,
            Paused => paused,
            NotPaused => !paused,
            Eof => eof,
            NoEof => !eof,
            Output(outputs) => outputs.contains(&output),
            PausedAndEof => paused && eof,
            NotPausedNorEof => !paused && !eof,
            EofOrBegun => eof || output == "begun",
            EofWithoutBegun => eof && output != "begun",
        };
        let has_profile = self.profiles.is_empty() || self.profiles.contains(&cell.profile());
        has_state
            && holds
            && has_profile
            && (self.met.is_empty() || self.met.iter().any(|word| is_met(word, met)))
    }
}

/// Returns `true` if what is met fits a word: a whole name; the beginning of one, up to its colon;
/// `+fin` and `+failed`, an event with that bit; or a group.
fn is_met(word: &str, met: &str) -> bool {
    const COMPLETED: Words =
        &["connected", "accepted", "received", "received-from", "written", "closed"];
    const STREAM: Words = &["read", "write", "shutdown", "take-error", "set-option"];
    const DATAGRAM: Words = &["connect-datagram", "send-to", "receive"];
    let head = met.split_once(':').map(|(head, _)| head);
    let is_of = |words: Words| head.is_some_and(|head| words.contains(&head));
    match word {
        "bits" => head.is_none(),
        "completion" => is_of(COMPLETED),
        "event" => is_of(COMPLETED) || head == Some("resolved"),
        "call" => head.is_some() && !is_of(COMPLETED) && head != Some("resolved"),
        "stream" => is_of(STREAM),
        "datagram" => is_of(DATAGRAM),
        _ => match (word.strip_prefix('+'), word.strip_suffix(':')) {
            (Some(bit), _) => head.is_none() && met.split('+').any(|one| one == bit),
            (None, Some(beginning)) => head == Some(beginning),
            (None, None) => word == met,
        },
    }
}

/// Why this cell cannot be reached; `None` if it can.
pub fn why_not(cell: Cell) -> Option<Excluded> {
    let met = cell.met().name();
    ROWS.iter().find(|row| row.fits(cell, &met)).map(|row| row.why)
}

/// Every cell that can be reached.
pub fn legal_cells() -> Set {
    let mut legal = Set::below(CELLS);
    let cells = (0..CELLS).filter_map(Cell::from_index);
    cells.filter(|cell| why_not(*cell).is_none()).for_each(|cell| legal.insert(cell.index()));
    legal
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::judge::coverage::{Reached, legal_pairs, pair_name, why_not_pair};
    use crate::run::simulate;
    use crate::run::{Source, Watch};
    use crate::scenarios;
    use tidelock_net::words::kinds::Family;

    #[test]
    fn every_row_excludes_something_that_no_other_does() {
        let mut excluded = vec![0_u32; ROWS.len()];
        for cell in (0..CELLS).filter_map(Cell::from_index) {
            let met = cell.met().name();
            if let Some(first) = ROWS.iter().position(|row| row.fits(cell, &met)) {
                excluded[first] += 1;
            }
        }
        for (row, count) in ROWS.iter().zip(excluded) {
            assert!(count > 0, "a row for nothing: {} ({:?})", row.why, row.met);
        }
    }

    #[test]
    fn the_table_says_what_the_states_say() {
        let why = |text: &str| why_not(text.parse().expect(text));
        for legal in [
            "open·paused×readable+writable+fin×linux",
            "open·begun×write:short×weakest",
            "flushing·eof·begun×written:short×completion",
            "closing·begun×closed:ok×completion",
            "stale×readable×weakest",
            "listening×accept:fault×linux",
        ] {
            assert_eq!(why(legal), None, "{legal}");
        }
        for excluded in [
            "open·paused×read:short×linux",
            "draining·whole×readable×linux",
            "stale×read:eof×linux",
            "open×readable+fin×weakest",
            "open×written:full×completion",
            "open×readable×completion",
            "open·begun×written:full×linux",
            "eof-seen×readable×linux",
        ] {
            assert!(why(excluded).is_some(), "{excluded}");
        }
    }

    #[test]
    fn a_short_campaign_reaches_much_of_what_is_legal_and_nothing_else() {
        let mut sum = Reached::default();
        let mut counts: BTreeMap<&str, [u64; 2]> = BTreeMap::new();
        for scenario in scenarios::all() {
            for seed in 0..250 {
                let report = simulate::run(scenario, Source::Seed(seed), &Watch::default());
                let reached = report.reached;
                report
                    .injected
                    .iter()
                    .for_each(|(name, n)| counts.entry(*name).or_default()[0] += n);
                reached.seen.iter().for_each(|(name, n)| counts.entry(*name).or_default()[1] += n);
                sum.cells.add(&reached.cells);
                sum.pairs.add(&reached.pairs);
            }
        }
        // All at once, so that one run tells of every row that is wrong.
        let cells = sum.cells().filter_map(|cell| Some((cell.to_string(), why_not(cell)?)));
        let pairs = sum.pairs.iter();
        let pairs = pairs.filter_map(|pair| Some((pair_name(pair), why_not_pair(pair)?)));
        let wrong: Vec<_> = cells.chain(pairs).collect();
        assert!(wrong.is_empty(), "reached all the same: {wrong:#?}");
        for family in Family::ALL {
            let [injected, seen] = counts[family.name()];
            let name = family.name();
            assert!(seen > 0, "{name}: of {injected} none was seen");
            assert!(seen <= injected, "{name}: {seen} were seen of {injected}");
        }
        let (cells, pairs) = (legal_cells().len(), legal_pairs().len());
        // That there is a floor shows that cells and pairs are counted.
        assert!(sum.cells.len() * 20 > cells * 13, "{} of {cells} cells", sum.cells.len());
        assert!(sum.pairs.len() * 10 > pairs * 6, "{} of {pairs} pairs", sum.pairs.len());
    }
}
