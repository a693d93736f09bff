//! The conformance bodies on the kernel in memory, in all of its styles.

/// Every body on one style of the scripted kernel.
macro_rules! style {
    ($style:ident) => {
        mod portable {
            tidelock_tests::portable_conformance_tests! {
                tidelock_tests::arm::ArmKind::Scripted(tidelock_tests::scripted::Style::$style)
            }
        }
        mod adopting {
            tidelock_tests::adopting_conformance_tests! {
                tidelock_tests::arm::ArmKind::Scripted(tidelock_tests::scripted::Style::$style)
            }
        }
        mod scripted {
            tidelock_tests::scripted_conformance_tests! {
                tidelock_tests::arm::ArmKind::Scripted(tidelock_tests::scripted::Style::$style)
            }
        }
    };
}

mod weakest {
    style!(Weakest);
}

mod chatty {
    style!(Chatty);
}

mod completion {
    style!(Completion);
}
