//! The values that an option may have.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::{InvalidOption, Keepalive, ListenOptions, Multicast, OptionName, SocketOption};

/// The times of a keepalive that every system can hold: Linux counts whole seconds, and no more of
/// them (`MAX_TCP_KEEPIDLE` and `MAX_TCP_KEEPINTVL` of `include/net/tcp.h`).
const KEEPALIVE_SPANS: RangeInclusive<Duration> =
    Duration::from_nanos(1)..=Duration::from_secs(32_767);
/// `MAX_TCP_KEEPCNT` of the same file.
const KEEPALIVE_COUNTS: RangeInclusive<u32> = 1..=127;
/// In milliseconds the system counts it in a C `int`.
const USER_TIMEOUTS: RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_millis(i32::MAX as u64);

impl SocketOption {
    /// Returns the name.
    pub fn name(&self) -> OptionName {
        match self {
            SocketOption::Timeout(..) => OptionName::Timeout,
            SocketOption::Nodelay(_) => OptionName::Nodelay,
            SocketOption::Keepalive(_) => OptionName::Keepalive,
            SocketOption::ReceiveBuffer(_) => OptionName::ReceiveBuffer,
            SocketOption::SendBuffer(_) => OptionName::SendBuffer,
            SocketOption::Broadcast(_) => OptionName::Broadcast,
            SocketOption::UserTimeout(_) => OptionName::UserTimeout,
            SocketOption::TrafficClass(_) => OptionName::TrafficClass,
            SocketOption::OnlyV6(_) => OptionName::OnlyV6,
            SocketOption::ReusePort(_) => OptionName::ReusePort,
            SocketOption::JoinMulticast(_) => OptionName::JoinMulticast,
            SocketOption::LeaveMulticast(_) => OptionName::LeaveMulticast,
            SocketOption::MulticastInterfaceV4(_) => OptionName::MulticastInterfaceV4,
            SocketOption::MulticastInterfaceV6(_) => OptionName::MulticastInterfaceV6,
            SocketOption::MulticastLoop(_) => OptionName::MulticastLoop,
            SocketOption::MulticastHops(_) => OptionName::MulticastHops,
        }
    }

    /// Checks that some system can hold the value. Every call that takes options does this first;
    /// whether the option fits the socket, the system says later.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use tidelock_core::{Keepalive, SocketOption};
    ///
    /// let hours = Duration::from_secs(10 * 3600);
    /// let keepalive = Keepalive { idle: hours, interval: Duration::from_secs(1), count: 3 };
    /// let invalid = SocketOption::Keepalive(Some(keepalive)).check().unwrap_err();
    /// assert_eq!(invalid.to_string(), "Keepalive: idle is above 0 and at most 32,767 s");
    /// ```
    ///
    /// # Errors
    /// The option, and the range of what is out of range.
    pub fn check(&self) -> Result<(), InvalidOption> {
        let expected = match self {
            SocketOption::Keepalive(Some(times)) => times.out_of_range(),
            SocketOption::UserTimeout(Some(time)) if !USER_TIMEOUTS.contains(time) => {
                Some("the time is 1 ms to 2,147,483,647 ms, about 24 days")
            }
            SocketOption::JoinMulticast(multicast) | SocketOption::LeaveMulticast(multicast)
                if !multicast.has_group() =>
            {
                Some("the group is a multicast address")
            }
            _ => None,
        };
        let option = self.name();
        expected.map_or(Ok(()), |expected| Err(InvalidOption { option, expected }))
    }
}

impl ListenOptions {
    /// Checks that some system can hold the values of all options, those of accepted sockets
    /// included. [`Net::listen`](crate::Net::listen) does this first.
    ///
    /// # Errors
    /// As [`SocketOption::check`].
    pub fn check(&self) -> Result<(), InvalidOption> {
        check_all(self.options.iter().chain(&self.accepted))
    }
}

/// Checks all of some options.
pub(crate) fn check_all<'a>(
    options: impl IntoIterator<Item = &'a SocketOption>,
) -> Result<(), InvalidOption> {
    options.into_iter().try_for_each(SocketOption::check)
}

impl Keepalive {
    fn out_of_range(&self) -> Option<&'static str> {
        match self {
            Keepalive { idle, .. } if !KEEPALIVE_SPANS.contains(idle) => {
                Some("idle is above 0 and at most 32,767 s")
            }
            Keepalive { interval, .. } if !KEEPALIVE_SPANS.contains(interval) => {
                Some("interval is above 0 and at most 32,767 s")
            }
            Keepalive { count, .. } if !KEEPALIVE_COUNTS.contains(count) => {
                Some("count is 1 to 127")
            }
            _ => None,
        }
    }
}

impl Multicast {
    fn has_group(&self) -> bool {
        match self {
            Multicast::V4 { group, .. } => group.is_multicast(),
            Multicast::V6 { group, .. } => group.is_multicast(),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn keepalive(idle: Duration, interval: Duration, count: u32) -> SocketOption {
        SocketOption::Keepalive(Some(Keepalive { idle, interval, count }))
    }

    #[test]
    fn a_value_that_no_system_holds_is_refused_by_name() {
        let long = Duration::from_secs(32_768);
        let days = Duration::from_secs(30 * 24 * 3600);
        let v4 = Multicast::V4 { group: Ipv4Addr::LOCALHOST, interface: Ipv4Addr::UNSPECIFIED };
        let v6 = Multicast::V6 { group: Ipv6Addr::LOCALHOST, interface: 0 };
        for (option, name, part) in [
            (keepalive(long, SECOND, 3), OptionName::Keepalive, "idle"),
            (keepalive(Duration::ZERO, SECOND, 3), OptionName::Keepalive, "idle"),
            (keepalive(SECOND, long, 3), OptionName::Keepalive, "interval"),
            (keepalive(SECOND, SECOND, 0), OptionName::Keepalive, "count"),
            (keepalive(SECOND, SECOND, 128), OptionName::Keepalive, "count"),
            (SocketOption::UserTimeout(Some(days)), OptionName::UserTimeout, "24 days"),
            (SocketOption::UserTimeout(Some(Duration::MAX)), OptionName::UserTimeout, "24 days"),
            (SocketOption::UserTimeout(Some(Duration::ZERO)), OptionName::UserTimeout, "1 ms"),
            (SocketOption::JoinMulticast(v4), OptionName::JoinMulticast, "group"),
            (SocketOption::LeaveMulticast(v6), OptionName::LeaveMulticast, "group"),
        ] {
            let invalid = option.check().unwrap_err();
            assert_eq!(invalid.option, name, "{option:?}");
            assert!(invalid.to_string().contains(part), "{option:?}: {invalid}");
        }
    }

    #[test]
    fn the_ends_of_each_range_are_accepted() {
        for option in [
            keepalive(Duration::from_millis(500), Duration::from_nanos(1), 1),
            keepalive(Duration::from_secs(32_767), Duration::from_secs(32_767), 127),
            SocketOption::Keepalive(None),
            SocketOption::UserTimeout(Some(Duration::from_millis(1))),
            SocketOption::UserTimeout(Some(Duration::from_millis(i32::MAX as u64))),
            SocketOption::UserTimeout(None),
            SocketOption::Timeout(crate::Timeout::Idle, Duration::MAX),
        ] {
            assert_eq!(option.check(), Ok(()), "{option:?}");
        }
    }
}
