//! The conformance bodies on the simulated kernel, in all of its profiles.
//!
//! Not here: the adopting ones, for there is no descriptor from outside that the simulated network
//! could take (its `adopt` answers `Unsupported`), and those that script what a call answers, for
//! its answers are computed and decisions are benign here.

/// Every portable body on one profile.
macro_rules! profile {
    ($name:ident, $readiness:ident) => {
        mod $name {
            tidelock_tests::portable_conformance_tests! {
                tidelock_tests::arm::ArmKind::Simulated(
                    tidelock_net::system::kernel::Readiness::$readiness
                )
            }
            mod single {
                tidelock_tests::single_conformance_tests! {
                    tidelock_tests::arm::ArmKind::Simulated(
                        tidelock_net::system::kernel::Readiness::$readiness
                    )
                }
            }
        }
    };
}

profile!(linux, Linux);
profile!(weakest, Weakest);
profile!(completion, Completion);
