//! The laws, by name.

/// The class of a violated law; decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailureClass {
    /// Something happened that must not.
    Invariant,
    /// Something did not happen that must.
    Liveness,
    /// Two runs of the same source differed. Found by the campaign, never by a run itself.
    Nondeterminism,
}

/// A law that every run is judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Law {
    /// Nothing panics: no assertion of core, kernel or services is broken.
    NoPanic,
    /// The messages about one id follow the grammar: one `Close`, and nothing after it.
    MessageOrder,
    /// A message about an id goes to its owner, and none to a service that has ended.
    MessageOwner,
    /// The system is given the accepted messages, whole and in an order that is allowed.
    OutputOrder,
    /// A service is told what was read, all of it before `Eof`.
    InputOrder,
    /// The far end receives whole messages, each byte at its place.
    StreamBytes,
    /// `Close` counts exactly the bytes that were accepted and that the system did not take.
    UnsentCount,
    /// A stream that closes with unsent bytes is reset, so that the peer learns of the loss; one
    /// without is not.
    LossIsTold,
    /// `Close` names a cause that was asked for, answered by a call, or shown by silence.
    CloseReason,
    /// An own `close` is followed by `Close` as soon as the system has let go.
    CloseFollows,
    /// The owner is warned exactly when unsent bytes pass a mark, and when they are gone.
    Warnings,
    /// A service that was refused for a full outbox is told once when there is room.
    SendReady,
    /// A full mailbox holds input back, and nothing longer than it is full.
    Mailbox,
    /// No limit of the configuration is exceeded.
    Limits,
    /// When a host is idle and no event is owed to it, nothing that it wishes could be done, and
    /// no stream broke without its error being asked for.
    NoLostEdge,
    /// When a host is idle, it wishes nothing that it has not asked for.
    NoIdleWork,
    /// A socket with work is served within a bounded number of turns, however busy others are.
    Fairness,
    /// An event for an id that is gone touches nothing, and is counted.
    StaleEvent,
    /// At the end no id is open, no descriptor, no timer.
    NothingLeft,
    /// When faults stop, everything comes to its end in time.
    Liveness,
    /// Without faults every operation completes.
    CalmSucceeds,
    /// A client with a script receives the bytes that it expects.
    Expectation,
    /// A demand of the scenario; a failure is called by the name that the scenario gave.
    Invariant,
    /// A connect to a name tries its addresses one after the other, each when one has failed or its
    /// time has come, fails only when all have, and leaves no attempt open.
    Race,
}

/// The number of laws.
pub const LAW_COUNT: usize = 24;

impl Law {
    /// All of them, in order.
    pub const ALL: [Law; LAW_COUNT] = [
        Law::NoPanic,
        Law::MessageOrder,
        Law::MessageOwner,
        Law::OutputOrder,
        Law::InputOrder,
        Law::StreamBytes,
        Law::UnsentCount,
        Law::LossIsTold,
        Law::CloseReason,
        Law::CloseFollows,
        Law::Warnings,
        Law::SendReady,
        Law::Mailbox,
        Law::Limits,
        Law::NoLostEdge,
        Law::NoIdleWork,
        Law::Fairness,
        Law::StaleEvent,
        Law::NothingLeft,
        Law::Liveness,
        Law::CalmSucceeds,
        Law::Expectation,
        Law::Invariant,
        Law::Race,
    ];

    /// Its stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Law::NoPanic => "no-panic",
            Law::MessageOrder => "message-order",
            Law::MessageOwner => "message-owner",
            Law::OutputOrder => "output-order",
            Law::InputOrder => "input-order",
            Law::StreamBytes => "stream-bytes",
            Law::UnsentCount => "unsent-count",
            Law::LossIsTold => "loss-is-told",
            Law::CloseReason => "close-reason",
            Law::CloseFollows => "close-follows",
            Law::Warnings => "warnings",
            Law::SendReady => "send-ready",
            Law::Mailbox => "mailbox",
            Law::Limits => "limits",
            Law::NoLostEdge => "no-lost-edge",
            Law::NoIdleWork => "no-idle-work",
            Law::Fairness => "fairness",
            Law::StaleEvent => "stale-event",
            Law::NothingLeft => "nothing-left",
            Law::Liveness => "liveness",
            Law::CalmSucceeds => "calm-succeeds",
            Law::Expectation => "expectation",
            Law::Invariant => "invariant",
            Law::Race => "race",
        }
    }

    /// Returns the class: whether breaking it means that something did not happen.
    pub const fn class(self) -> FailureClass {
        match self {
            Law::Liveness | Law::CalmSucceeds => FailureClass::Liveness,
            _ => FailureClass::Invariant,
        }
    }
}
