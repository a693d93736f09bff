//! Names of hosts, and how they are resolved.

/// The way in which a host's resolver answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Resolver {
    /// As it should.
    #[default]
    Right,
    /// Three seconds late.
    Slow,
    /// With an address where nobody listens.
    Wrong,
    /// With no address.
    Empty,
    /// With several addresses, dead ones first.
    Many,
}

impl Resolver {
    /// The ways that are not right.
    pub const WRONG: [Resolver; 4] =
        [Resolver::Slow, Resolver::Wrong, Resolver::Empty, Resolver::Many];

    /// Returns its word in scripts.
    pub const fn name(self) -> &'static str {
        match self {
            Resolver::Right => "right",
            Resolver::Slow => "slow",
            Resolver::Wrong => "wrong",
            Resolver::Empty => "empty",
            Resolver::Many => "many",
        }
    }
}

/// The answer to a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// The server.
    Right,
    /// The server at a port where nobody listens.
    Refused,
    /// A host that no way leads to.
    Unreachable,
    /// A host that does not answer.
    Silent,
    /// There is no such name.
    Nothing,
}

/// Names that are no host's, and the addresses that each is answered with. The first is the
/// server's own.
pub const NAMES: [(&str, &[Lookup]); 8] = [
    ("server", &[Lookup::Right]),
    ("refused-first", &[Lookup::Refused, Lookup::Right]),
    ("unreachable-first", &[Lookup::Unreachable, Lookup::Right]),
    ("silent-first", &[Lookup::Silent, Lookup::Right]),
    ("three", &[Lookup::Unreachable, Lookup::Refused, Lookup::Right]),
    ("wrong", &[Lookup::Refused, Lookup::Unreachable]),
    ("empty", &[]),
    ("nobody", &[Lookup::Nothing]),
];
