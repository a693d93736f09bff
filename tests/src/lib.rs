//! What the tests share: models, the replay of fuzz corpora, and conformance bodies with the
//! arms that run them.

pub mod corpus;
pub mod outbox_model;
