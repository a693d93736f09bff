//! The conformance bodies on real sockets over loopback.

mod inline {
    tidelock_tests::portable_conformance_tests! {
        tidelock_tests::arm::ArmKind::Mio { workers: 0 }
    }
}

mod workers {
    tidelock_tests::portable_conformance_tests! {
        tidelock_tests::arm::ArmKind::Mio { workers: 2 }
    }
}

mod adopting {
    mod inline {
        tidelock_tests::adopting_conformance_tests! {
            tidelock_tests::arm::ArmKind::Mio { workers: 0 }
        }
    }

    mod workers {
        tidelock_tests::adopting_conformance_tests! {
            tidelock_tests::arm::ArmKind::Mio { workers: 2 }
        }
    }
}

mod single {
    mod inline {
        tidelock_tests::single_conformance_tests! {
            tidelock_tests::arm::ArmKind::Mio { workers: 0 }
        }
    }

    mod workers {
        tidelock_tests::single_conformance_tests! {
            tidelock_tests::arm::ArmKind::Mio { workers: 2 }
        }
    }
}
