//! The conformance bodies on the kernel in memory, in all of its styles.

/// One `#[test]` for each body, on the arm `$kind`.
macro_rules! bodies {
    ($kind:expr; $($group:ident: $($body:ident)*;)*) => {
        $(mod $group {
            $(#[test]
            fn $body() {
                tidelock_tests::conformance::$group::$body($kind);
            })*
        })*
    };
}

/// Every body on one style of the scripted kernel.
macro_rules! scripted {
    ($style:ident) => {
        bodies! {
            tidelock_tests::arm::ArmKind::Scripted(tidelock_tests::scripted::Style::$style);
            opening:
                a_connect_is_told_once_and_carries_data_both_ways
                a_send_before_the_connect_is_done_is_delivered
                a_refused_connect_says_why
                a_busy_port_is_an_error_of_that_listener_alone
                listening_on_port_zero_tells_the_real_port
                an_accepted_socket_is_read_from_start_on
                an_accepted_socket_sends_before_start
                auto_start_reads_at_once
                a_paused_listener_accepts_from_start_on
                a_listener_pauses_and_goes_on
                children_outlive_their_listener
                an_accepted_socket_that_nobody_starts_times_out
                a_started_socket_does_not_time_out
                a_paused_connect_is_not_read_before_start
                a_pause_while_connecting_connects_paused
                a_shutdown_while_connecting_flushes_after_the_connect
                a_close_while_connecting_counts_what_was_queued
                an_adopted_stream_works_like_any_other
                a_full_table_is_told_at_the_call
                a_full_table_leaves_clients_in_the_backlog
                an_impossible_name_is_refused_at_the_call
                a_large_transfer_arrives_whole
                a_hanging_connect_times_out
                the_addresses_of_a_name_are_tried_in_turn
                an_unknown_name_says_why
                out_of_descriptors_accepting_resumes_by_a_timer
                no_error_of_accept_kills_a_listener;
        }
    };
}

mod weakest {
    scripted!(Weakest);
}

mod chatty {
    scripted!(Chatty);
}

mod completion {
    scripted!(Completion);
}
