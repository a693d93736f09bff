//! Another source, written down.

use super::{Choices, Site};
use crate::words::decision::{Decision, Position, Value};
use crate::words::kinds::{KIND_COUNT, KeyStyle};

/// Another source, with what was not benign written down by key.
#[derive(Clone, Debug)]
pub struct Record<C> {
    inner: C,
    names: Vec<String>,
    occurrences: Vec<[u64; KIND_COUNT]>,
    decisions: Vec<Decision>,
    /// Delays of noise are written down, too.
    writes_noise: bool,
    is_quiet: bool,
}

impl<C: Choices> Record<C> {
    /// Records what `inner` decides.
    pub fn new(inner: C) -> Self {
        Self {
            inner,
            names: Vec::new(),
            occurrences: Vec::new(),
            decisions: Vec::new(),
            writes_noise: false,
            is_quiet: false,
        }
    }

    /// The same, with what noise makes late as if it had been decided.
    pub fn with_noise(inner: C) -> Self {
        Self { writes_noise: true, ..Self::new(inner) }
    }

    /// Returns the decisions so far.
    pub fn decisions(&self) -> &[Decision] {
        &self.decisions
    }

    fn write_down(&mut self, site: Site, position: Position, value: u64) {
        let info = site.kind.info();
        let entity = format!("{}/{}", self.names[site.entity as usize], info.channel);
        let value = match info.is_time {
            true => Value::Time { nanos: value },
            false => Value::Number(value),
        };
        self.decisions.push(Decision::new(entity, position, info.verb, value));
    }
}

impl<C: Choices> Choices for Record<C> {
    fn birth(&mut self, entity: u32, name: &dyn Fn() -> String) {
        assert_eq!(entity as usize, self.names.len(), "entities are born in order");
        self.names.push(name());
        self.occurrences.push([0; KIND_COUNT]);
        self.inner.birth(entity, name);
    }

    fn draw(&mut self, site: Site, bound: u32) -> u32 {
        let value = self.inner.draw(site, bound);
        let count = &mut self.occurrences[site.entity as usize][site.kind.0 as usize];
        let position = match site.kind.info().key {
            KeyStyle::Eof => Position::Eof,
            KeyStyle::Occurrence => Position::Occurrence(*count),
            KeyStyle::Offset => unreachable!("{:?} is keyed by its offset", site.kind),
        };
        *count += 1;
        if value != 0 {
            self.write_down(site, position, u64::from(value));
        }
        value
    }

    fn draw_at(&mut self, site: Site, position: u64, length: usize, bound: u32) -> u32 {
        let value = self.inner.draw_at(site, position, length, bound);
        if value != 0 {
            self.write_down(site, Position::Offset(position), u64::from(value));
        }
        value
    }

    fn cut(&mut self, site: Site, position: u64, length: usize) -> usize {
        let kept = self.inner.cut(site, position, length);
        if kept != length {
            self.write_down(site, Position::Offset(position + kept as u64), 1);
        }
        kept
    }

    fn quiet(&mut self) {
        self.is_quiet = true;
        self.inner.quiet();
    }

    fn note_noise(&mut self, site: Site, position: u64, nanos: u64) {
        // After quiet no decision is looked for.
        if !self.writes_noise || self.is_quiet || nanos == 0 {
            return;
        }
        let info = site.kind.info();
        assert!(info.is_time, "{} is no time", info.verb);
        let position = match info.key {
            KeyStyle::Offset => Position::Offset(position),
            KeyStyle::Eof => Position::Eof,
            KeyStyle::Occurrence => {
                let count = self.occurrences[site.entity as usize][site.kind.0 as usize];
                Position::Occurrence(count.checked_sub(1).expect("it was asked"))
            }
        };
        let entity = &self.names[site.entity as usize];
        // If it was late anyhow, that stands last.
        if let Some(last) = self.decisions.last_mut()
            && last.position == position
            && last.kind == info.verb
            && last
                .entity
                .split_once('/')
                .is_some_and(|(of, channel)| of == entity && channel == info.channel)
        {
            last.value = Value::Time { nanos: last.value.get().saturating_add(nanos) };
            return;
        }
        self.write_down(site, position, nanos);
    }

    fn injected(&self) -> &[u64; KIND_COUNT] {
        self.inner.injected()
    }

    fn take_fault(&mut self) -> Option<Site> {
        self.inner.take_fault()
    }
}
