//! The conformance bodies on the kernel in memory, in all of its styles, under one Mux and under
//! several.

/// Every body on one style of the scripted kernel.
macro_rules! style {
    (Scripted $style:ident) => {
        style!(each Scripted $style);
        mod single {
            tidelock_tests::single_conformance_tests! {
                tidelock_tests::arm::ArmKind::Scripted(tidelock_tests::scripted::Style::$style)
            }
            mod scripted {
                tidelock_tests::single_scripted_conformance_tests! {
                    tidelock_tests::arm::ArmKind::Scripted(
                        tidelock_tests::scripted::Style::$style
                    )
                }
            }
        }
    };
    (each $arm:ident $style:ident) => {
        mod portable {
            tidelock_tests::portable_conformance_tests! {
                tidelock_tests::arm::ArmKind::$arm(tidelock_tests::scripted::Style::$style)
            }
        }
        mod adopting {
            tidelock_tests::adopting_conformance_tests! {
                tidelock_tests::arm::ArmKind::$arm(tidelock_tests::scripted::Style::$style)
            }
        }
        mod scripted {
            tidelock_tests::scripted_conformance_tests! {
                tidelock_tests::arm::ArmKind::$arm(tidelock_tests::scripted::Style::$style)
            }
        }
    };
}

mod weakest {
    style!(Scripted Weakest);
}

mod chatty {
    style!(Scripted Chatty);
}

mod completion {
    style!(Scripted Completion);
}

mod weakest_sharded {
    style!(each Sharded Weakest);
}

mod chatty_sharded {
    style!(each Sharded Chatty);
}

mod completion_sharded {
    style!(each Sharded Completion);
}
