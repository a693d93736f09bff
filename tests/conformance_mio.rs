//! The conformance bodies on real sockets over loopback.

/// Every body that runs on real sockets, with this number of workers.
macro_rules! workers {
    ($name:ident, $workers:literal) => {
        mod $name {
            mod portable {
                tidelock_tests::portable_conformance_tests! {
                    tidelock_tests::arm::ArmKind::Mio { workers: $workers }
                }
            }
            mod single {
                tidelock_tests::single_conformance_tests! {
                    tidelock_tests::arm::ArmKind::Mio { workers: $workers }
                }
            }
            mod adopting {
                tidelock_tests::adopting_conformance_tests! {
                    tidelock_tests::arm::ArmKind::Mio { workers: $workers }
                }
            }
        }
    };
}

workers!(inline, 0);
workers!(workers, 2);
