//! Noise: off, written out as delays, or of a simple seed.

use super::{SHORT_EVENTS, Shrinker};
use crate::tide::Script;

impl Shrinker<'_> {
    /// Noise off. A story that is twice as long for it is still the simpler one.
    pub(super) fn quieten(&mut self) {
        if self.best.noise == Some(0) {
            return;
        }
        let candidate = Script { noise: Some(0), ..self.best.clone() };
        let events_max = self.events.saturating_mul(2).max(SHORT_EVENTS);
        self.accept_up_to(candidate, events_max);
    }

    /// Of noise without which nothing fails: what it makes late is said by decisions, which can be
    /// deleted and made simple like others. If that does not fail, either, noise of a simple seed.
    pub(super) fn write_noise_out(&mut self) {
        const SEEDS: [u64; 3] = [1, 2, 3];
        if self.best.noise == Some(0) {
            return;
        }
        if let Some(candidate) = self.write_noise.and_then(|write| write(&self.best)) {
            assert_eq!(candidate.noise, Some(0), "what noise did is said by decisions");
            if self.accept_up_to(candidate, u64::MAX) {
                return;
            }
        }
        for seed in SEEDS {
            if self.best.noise.is_some_and(|noise| noise <= seed) {
                return;
            }
            let candidate = Script { noise: Some(seed), ..self.best.clone() };
            if self.accept(candidate) {
                return;
            }
        }
    }
}
