//! Decisions inside calls, by key.

use std::fmt;

use super::kinds::{Family, KINDS, KeyStyle, KindInfo};
use super::text::{time, word};

/// An `at` line: one decision inside a call, found again by its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The entity concerned, named after what made it, with its direction if it has one: `c2'/in`.
    pub entity: String,
    /// Where in the entity's life.
    pub position: Position,
    /// The thing decided: `cut`, `delay`, `short`.
    pub kind: String,
    /// The value decided. Zero is benign and is not recorded.
    pub value: Value,
    /// The comment at the line's end; empty for none.
    pub note: String,
}

impl Decision {
    /// A decision without a comment.
    pub fn new(
        entity: impl Into<String>,
        position: Position,
        kind: impl Into<String>,
        value: Value,
    ) -> Decision {
        Decision { entity: entity.into(), position, kind: kind.into(), value, note: String::new() }
    }
}

/// Where in an entity's life a decision stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Position {
    /// At this byte of a stream, whatever the calls that reach it.
    Offset(u64),
    /// At a stream's end.
    Eof,
    /// The how-manieth decision of this kind for this entity, from 0.
    Occurrence(u64),
}

/// The value of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// A count, a choice, an amount of bytes.
    Number(u64),
    /// A duration.
    Time {
        /// In nanoseconds.
        nanos: u64,
    },
}

impl Value {
    /// The bare number: of a time, its nanoseconds.
    pub const fn get(self) -> u64 {
        match self {
            Value::Number(number) => number,
            Value::Time { nanos } => nanos,
        }
    }
}

impl Decision {
    /// The family of what is decided; `None` if there is no such decision.
    pub fn family(&self) -> Option<Family> {
        let (_, channel) = self.entity.rsplit_once('/')?;
        let key = match self.position {
            Position::Offset(_) => KeyStyle::Offset,
            Position::Eof => KeyStyle::Eof,
            Position::Occurrence(_) => KeyStyle::Occurrence,
        };
        let is_this =
            |info: &&KindInfo| info.channel == channel && info.verb == self.kind && info.key == key;
        KINDS.iter().find(is_this).map(|info| info.family)
    }

    /// Returns the key that finds the decision: entity and position.
    pub fn key(&self) -> String {
        format!("{}{}", word(&self.entity), self.position)
    }
}

impl fmt::Display for Decision {
    /// The line, without `at`, padding and comment.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.key(), self.kind, self.value)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Position::Offset(offset) => write!(f, "@{offset}"),
            Position::Eof => f.write_str("@eof"),
            Position::Occurrence(occurrence) => write!(f, "#{occurrence}"),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Value::Number(number) => write!(f, "{number}"),
            // With its unit, so that it is not read back as a number.
            Value::Time { nanos: 0 } => f.write_str("0ns"),
            Value::Time { nanos } => f.write_str(&time(nanos)),
        }
    }
}
