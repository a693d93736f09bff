//! The roles of clients, and their shares.

use std::str::FromStr;

/// The role of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Sends one message, waits for it to come back, and goes on with the next.
    Steady,
    /// Sends some messages, sends FIN and reads to the end, or just closes; then it connects again.
    Churn,
    /// Sends much at once, and reads a little now and then.
    Slow,
    /// Sends some messages and resets the connection; then it connects again.
    Reset,
}

impl Role {
    const ALL: [(&'static str, Role); 4] = [
        ("steady", Role::Steady),
        ("churn", Role::Churn),
        ("slow", Role::Slow),
        ("reset", Role::Reset),
    ];
}

/// The shares of the roles.
#[derive(Clone, Debug)]
pub(crate) struct Mix {
    shares: Vec<(Role, u32)>,
}

impl FromStr for Mix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut shares = Vec::new();
        for part in text.split(',') {
            let known = "steady, churn, slow and reset";
            let (name, share) = part.split_once('=').ok_or("expected steady=70,churn=30")?;
            let role = Role::ALL.into_iter().find(|(known, _)| *known == name);
            let (_, role) = role.ok_or(format!("{name}: the roles are {known}"))?;
            let share: u16 = share.parse().map_err(|_| format!("{share}: expected 0 to 65535"))?;
            if shares.iter().any(|(other, _)| *other == role) {
                return Err(format!("{name} stands twice"));
            }
            shares.push((role, u32::from(share)));
        }
        if shares.iter().all(|(_, share)| *share == 0) {
            return Err("somebody must do something".into());
        }
        Ok(Self { shares })
    }
}

impl Mix {
    /// Returns the role of the client with this number. Of each run of as many clients as the
    /// shares add up to, every role gets exactly its share.
    pub(crate) fn role(&self, index: usize) -> Role {
        let whole: u32 = self.shares.iter().map(|(_, share)| share).sum();
        // A stride that is coprime to the sum visits every place once, in a spread order.
        let stride =
            (1..).map(|step| whole / 8 * 5 + step).find(|stride| is_coprime(*stride, whole));
        let mut place =
            (index as u64 * u64::from(stride.expect("one is")) % u64::from(whole)) as u32;
        for (role, share) in &self.shares {
            if place < *share {
                return *role;
            }
            place -= share;
        }
        unreachable!("the shares add up")
    }
}

fn is_coprime(mut a: u32, mut b: u32) -> bool {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_exact_and_spread() {
        let mix: Mix = "steady=70,churn=20,slow=5,reset=5".parse().unwrap();
        let roles: Vec<_> = (0..200).map(|index| mix.role(index)).collect();
        let count = |role| roles.iter().filter(|other| **other == role).count();
        let counts = [Role::Steady, Role::Churn, Role::Slow, Role::Reset].map(count);
        assert_eq!(counts, [140, 40, 10, 10]);
        assert!(roles[..20].contains(&Role::Churn), "{roles:?}");
    }

    #[test]
    fn an_invalid_mix_is_reported() {
        for (text, part) in [
            ("steady", "expected steady="),
            ("fast=3", "the roles are steady"),
            ("slow=x", "0 to 65535"),
            ("slow=1,slow=2", "twice"),
            ("slow=0", "somebody"),
        ] {
            let error = text.parse::<Mix>().unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
