//! Another source, written down.

use super::{Choices, Site};
use crate::kinds::{KIND_COUNT, KeyStyle};
use crate::script::{Decision, Position, Value};

/// Another source, with what was not benign written down by key.
#[derive(Clone, Debug)]
pub struct Record<C> {
    inner: C,
    names: Vec<String>,
    occurrences: Vec<[u64; KIND_COUNT]>,
    decisions: Vec<Decision>,
}

impl<C: Choices> Record<C> {
    /// Records what `inner` decides.
    pub fn new(inner: C) -> Self {
        Self { inner, names: Vec::new(), occurrences: Vec::new(), decisions: Vec::new() }
    }

    /// What was decided so far.
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
        self.inner.quiet();
    }

    fn injected(&self) -> &[u64; KIND_COUNT] {
        self.inner.injected()
    }

    fn take_fault(&mut self) -> Option<Site> {
        self.inner.take_fault()
    }
}
