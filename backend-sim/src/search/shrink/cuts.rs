//! Small buffers said by the bytes at which they cut.

use tidelock_net::words::decision::{Decision, Position, Value};
use tidelock_net::words::kinds::Kind;

use super::delete::connections;
use super::{SHORT_EVENTS, Shrinker};
use crate::tide::Script;

/// Options that cut streams into pieces, all of a stream alike.
const PIECES: [&str; 7] = [
    "receive_buffer_bytes",
    "send_buffer_bytes",
    "peer_read_bytes",
    "read_buffer_bytes_min",
    "read_buffer_bytes_max",
    "reads_per_turn",
    "write_bytes_per_turn",
];
/// At so many bytes of a stream it is tried whether a cut does the same.
const BYTES_MAX: u64 = 48;
/// More decisions than this say less than the option.
const CUTS_MAX: usize = 3;
/// Beyond this many connections there is something else to be deleted first.
const CONNECTIONS_MAX: usize = 3;

impl Shrinker<'_> {
    /// Says by a few decisions, which name the byte, what an option does to every byte: "the
    /// second and the fourth byte come alone" is a story, "a buffer of one byte" is a riddle.
    pub(super) fn cut_instead(&mut self) {
        let names = self.best.config.iter().map(|(name, _)| name.clone());
        let present: Vec<String> = names.filter(|name| PIECES.contains(&name.as_str())).collect();
        let labels = connections(&self.best);
        if present.is_empty() || labels.is_empty() || labels.len() > CONNECTIONS_MAX {
            return;
        }
        let mut choices = vec![present.clone()];
        if present.len() > 1 {
            choices.extend(present.into_iter().map(|name| vec![name]));
        }
        for names in choices {
            for kinds in [&[Kind::IN_CUT][..], &[Kind::OUT_SHORT][..]] {
                if self.cut_instead_of(&names, kinds, &labels) {
                    return;
                }
            }
        }
    }

    fn cut_instead_of(&mut self, names: &[String], kinds: &[Kind], labels: &[String]) -> bool {
        let (before, events) = (self.best.clone(), self.events);
        let mut candidate = before.clone();
        candidate.config.retain(|(name, _)| !names.contains(name));
        for label in labels {
            for end in ["'", ""] {
                for kind in kinds {
                    add_cuts(&mut candidate, &format!("{label}{end}"), *kind);
                }
            }
        }
        // A cut at every byte makes it long, until those are deleted that do nothing.
        if !self.accept_up_to(candidate, u64::MAX) {
            return false;
        }
        self.delete_decisions();
        let has_few = self.best.decisions.len() <= before.decisions.len() + CUTS_MAX;
        let is_short = has_few && self.events <= events.saturating_mul(2).max(SHORT_EVENTS);
        if !is_short {
            (self.best, self.events) = (before, events);
        }
        is_short
    }
}

/// Cuts at each of the first bytes of a stream, but for those that are there.
fn add_cuts(script: &mut Script, entity: &str, kind: Kind) {
    let info = kind.info();
    let entity = format!("{entity}/{}", info.channel);
    for offset in 1..=BYTES_MAX {
        let position = Position::Offset(offset);
        let decision = Decision::new(entity.clone(), position, info.verb, Value::Number(1));
        let is_there = |other: &Decision| {
            other.entity == decision.entity
                && other.position == decision.position
                && other.kind == decision.kind
        };
        if !script.decisions.iter().any(is_there) {
            script.decisions.push(decision);
        }
    }
}
