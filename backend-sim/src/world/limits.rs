//! Limits that a world is judged by.

use crate::judge::oracle::{Bounds, Limits};
use crate::stage::options::Options;

/// The limits of a world with these options.
pub fn limits(options: &Options) -> Limits {
    let unless_off = |nanos| if nanos == 0 { u64::MAX } else { nanos };
    Limits {
        warn_bytes: options.warn_bytes,
        outbox_bytes_max: options.outbox_bytes_max,
        total_bytes_max: options.total_bytes_max,
        mailbox_bytes_max: options.mailbox_bytes_max as usize,
        read_buffer_bytes_max: options.read_buffer_bytes_max as usize,
        sockets_max: options.sockets_max,
        bounds: Bounds {
            connect_nanos: options.connect_timeout_nanos,
            resolve_nanos: options.resolve_timeout_nanos,
            attempt_delay_nanos: options.connection_attempt_delay_nanos,
            flush_stall_nanos: options.flush_stall_timeout_nanos,
            flush_nanos: options.flush_timeout_nanos,
            linger_nanos: options.linger_timeout_nanos,
            half_open_nanos: options.half_open_timeout_nanos,
            start_nanos: options.start_timeout_nanos,
            idle_nanos: unless_off(options.idle_timeout_nanos),
            read_idle_nanos: unless_off(options.read_idle_timeout_nanos),
            write_stall_nanos: unless_off(options.write_stall_timeout_nanos),
        },
    }
}
