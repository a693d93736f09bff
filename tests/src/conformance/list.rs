//! The list of all bodies, from which each arm's test file makes its `#[test]`s.

/// One `#[test]` for each body, on the arm `$kind`.
#[macro_export]
macro_rules! conformance_tests {
    ($kind:expr; $($group:ident: $($body:ident)*;)*) => {
        $(mod $group {
            $(#[test]
            fn $body() {
                $crate::conformance::$group::$body($kind);
            })*
        })*
    };
}

/// The bodies of limits that several Muxes share out, each of which has its part: those run under
/// one Mux alone.
#[macro_export]
macro_rules! single_conformance_tests {
    ($kind:expr) => {
        $crate::conformance_tests! { $kind;
            limits:
                a_flood_of_connections_is_accepted_at_the_rate
                a_connection_that_waits_for_its_time_goes_with_its_listener;
            opening:
                a_full_table_is_told_at_the_call
                a_full_table_leaves_clients_in_the_backlog;
        }
    };
}

/// The same, of bodies that break things which only the scripted kernel lets one break.
#[macro_export]
macro_rules! single_scripted_conformance_tests {
    ($kind:expr) => {
        $crate::conformance_tests! { $kind;
            opening:
                out_of_descriptors_accepting_resumes_by_a_timer;
            racing:
                a_race_waits_for_a_place;
        }
    };
}

/// The bodies that run on every arm, the simulated kernel among them.
#[macro_export]
macro_rules! portable_conformance_tests {
    ($kind:expr) => {
        $crate::conformance_tests! { $kind;
            closing:
                a_reply_to_a_finished_peer_goes_out
                a_large_reply_to_a_finished_peer_goes_out_whole
                an_ignored_eof_closes_the_socket
                keep_open_outlives_the_peers_fin
                a_kept_socket_that_is_silent_times_out
                finish_reads_the_answer
                shutdown_delivers_everything_to_a_slow_peer
                shutdown_with_unread_input_destroys_nothing
                a_peer_without_fin_is_given_up_after_the_linger
                a_peer_that_never_reads_is_given_up_after_the_stall
                a_slow_reader_is_not_a_stalled_one
                the_flush_timeout_bounds_a_peer_that_reads
                close_counts_what_it_discards_and_resets
                close_of_a_flushed_socket_is_orderly
                data_before_a_reset_comes_before_its_error
                a_reset_while_paused_is_noticed
                a_fin_while_paused_waits_for_start
                a_forgotten_paused_socket_of_a_finished_peer_times_out;
            flow:
                nothing_is_read_between_paused_and_start
                output_drains_while_paused
                a_stream_survives_many_pauses
                a_socket_moves_to_another_service_without_loss
                an_accepted_socket_is_started_by_another_service
                starting_a_running_socket_again_is_harmless
                a_new_owner_after_eof_gets_its_own_eof
                a_service_sees_its_own_commands_in_order
                a_start_that_comes_too_late_is_refused
                a_late_transfer_is_refused_to_whom_it_concerns
                high_overtakes_low_but_tears_nothing
                each_senders_messages_keep_their_order
                an_empty_message_is_nothing
                a_full_mailbox_holds_reading_back_and_loses_nothing
                a_mailbox_with_room_starts_no_paused_socket
                data_comes_in_bounded_pieces
                stale_ids_touch_nothing
                any_service_may_send_and_close
                accept_comes_before_anything_about_the_child;
            limits:
                who_was_refused_is_told_when_there_is_room
                what_can_never_fit_is_too_large
                ids_survive_the_wrap_of_the_generation
                every_sent_object_is_dropped_exactly_once
                very_many_queued_messages_are_only_many;
            matrix:
                peer_fin_then_any
                shutdown_then_any
                finish_then_any
                close_then_any
                reset_then_any
                close_is_last_in_a_sample_of_cells;
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
                an_impossible_name_is_refused_at_the_call
                a_large_transfer_arrives_whole;
            services:
                timers_come_once_and_in_order
                a_cancelled_timer_never_comes
                a_timer_on_its_way_can_still_be_cancelled
                datagrams_keep_their_bounds_and_their_sender
                a_datagram_socket_sends_to_its_peer_once_it_has_one
                a_dialled_datagram_socket_has_its_peer_at_once
                datagram_sends_are_refused_where_they_make_no_sense
                a_paused_datagram_socket_waits_for_start
                shutdown_flushes_datagrams
                posts_keep_their_order
                a_released_service_leaves_gracefully
                info_counts_exactly
                an_exit_delivers_what_is_pending
                an_exit_counts_what_its_deadline_cuts_off
                a_service_says_good_bye_at_the_exit
                options_cost_no_socket;
            timeouts:
                an_idle_socket_times_out_and_a_busy_one_does_not
                a_socket_that_hears_nothing_times_out_while_it_writes
                a_pause_is_no_silence
                a_peer_that_takes_nothing_is_given_up_while_it_talks
                output_that_was_stuck_before_start_counts_from_there
                a_socket_has_times_of_its_own
                times_of_their_own_are_set_where_sockets_begin
                a_linger_of_nothing_ends_at_once
                a_time_that_no_socket_waits_for_is_refused;
        }
    };
}

/// The bodies that need descriptors from elsewhere.
#[macro_export]
macro_rules! adopting_conformance_tests {
    ($kind:expr) => {
        $crate::conformance_tests! { $kind;
            opening:
                an_adopted_stream_works_like_any_other;
        }
    };
}

/// The bodies that break things in the scripted kernel.
#[macro_export]
macro_rules! scripted_conformance_tests {
    ($kind:expr) => {
        $crate::conformance_tests! { $kind;
            closing:
                a_write_error_comes_after_what_can_still_be_read
                an_error_carries_the_number_of_its_own_call;
            flow:
                the_first_low_message_is_still_low
                a_flood_on_one_socket_starves_no_other;
            limits:
                warnings_come_at_each_doubling_exactly
                drained_is_told_below_half_of_the_mark
                no_warning_comes_after_the_own_end
                a_full_socket_says_so_at_the_call
                send_ready_comes_below_half_of_the_limit
                a_full_total_says_so_at_the_call
                a_limit_charges_what_a_message_costs
                the_smallest_buffers_only_slow_down;
            matrix:
                write_error_then_any;
            opening:
                a_hanging_connect_times_out
                the_addresses_of_a_name_are_tried_in_turn
                an_unknown_name_says_why
                no_error_of_accept_kills_a_listener
                a_connect_that_fails_under_a_close_is_over;
            racing:
                a_hanging_address_costs_the_delay
                what_comes_before_the_name_is_told
                a_refusal_does_not_wait_for_the_delay
                of_two_that_connect_one_stays
                a_close_in_a_race_leaves_nothing
                a_guessed_id_in_a_race_is_nobodys
                a_race_that_nobody_wins_times_out
                a_race_can_be_forbidden
                a_winner_without_its_name_has_failed;
            services:
                a_failing_datagram_stops_no_other
                a_clogged_datagram_socket_waits_for_its_event;
        }
    };
}

#[cfg(test)]
mod tests {
    /// A body that stands in no list would never run.
    #[test]
    fn every_body_is_listed_once() {
        let list = include_str!("list.rs");
        let groups = [
            include_str!("closing.rs"),
            include_str!("flow.rs"),
            include_str!("limits.rs"),
            include_str!("matrix.rs"),
            include_str!("opening.rs"),
            include_str!("racing.rs"),
            include_str!("services.rs"),
            include_str!("timeouts.rs"),
        ];
        let mut bodies = 0;
        for line in groups.iter().flat_map(|text| text.lines()) {
            let Some(rest) = line.strip_prefix("pub fn ") else { continue };
            let Some((name, _)) = rest.split_once("(kind: ArmKind)") else { continue };
            let listed =
                list.lines().filter(|line| line.trim().trim_end_matches(';') == name).count();
            assert_eq!(listed, 1, "{name}");
            bodies += 1;
        }
        assert!(bodies >= 30, "{bodies} bodies");
    }
}
