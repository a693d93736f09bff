//! The values of options: what they mean, and what is allowed.

use std::ops::RangeInclusive;
use std::str::FromStr;

use tidelock_sim::internal::campaign::Share;
use tidelock_sim::internal::script::parse_number;

/// `A..B`, or `A..` without an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seeds {
    /// The first.
    pub(crate) start: u64,
    /// After the last.
    pub(crate) end: Option<u64>,
}

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Seeds, String> {
        let allowed = "allowed: A..B with A below B, or A.., each as 3000 or 0xbb8, below 2^64";
        let (start, end) = text.split_once("..").ok_or(allowed)?;
        let start = parse_number(start).map_err(|_| allowed)?;
        let end = match end {
            "" => None,
            end => Some(parse_number(end).map_err(|_| allowed)?),
        };
        if end.is_some_and(|end| end <= start) {
            return Err(format!("the range is empty; {allowed}"));
        }
        Ok(Seeds { start, end })
    }
}

/// A time of a clock on the wall, in milliseconds; not zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WallTime {
    pub(crate) millis: u64,
}

impl FromStr for WallTime {
    type Err = String;

    fn from_str(text: &str) -> Result<WallTime, String> {
        let allowed = "allowed: whole ms, s, m or h, more than none, as 500ms, 10s, 5m or 2h";
        let end = text.find(|digit: char| !digit.is_ascii_digit()).ok_or(allowed)?;
        let unit: u64 = match &text[end..] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(allowed.to_owned()),
        };
        let count: u64 = text[..end].parse().map_err(|_| allowed)?;
        let millis = count.checked_mul(unit).filter(|millis| *millis > 0).ok_or(allowed)?;
        Ok(WallTime { millis })
    }
}

/// Reads a share as `1%`, `0.5%` or `100%`.
pub(crate) fn parse_share(text: &str) -> Result<Share, String> {
    const DIGITS: usize = 4;
    let allowed = "allowed: 0% to 100%, with at most four digits after the point, as 1% or 0.5%";
    let number = text.strip_suffix('%').ok_or(allowed)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !are_digits(whole) || !are_digits(fraction) || whole.len() > 3 || fraction.len() > DIGITS {
        return Err(allowed.to_owned());
    }
    let digits = format!("{whole}{fraction:0<DIGITS$}");
    let ppm = digits.parse().ok().and_then(Share::from_ppm);
    ppm.ok_or_else(|| allowed.to_owned())
}

/// Reads how many threads: at least one, at most 1024.
pub(crate) fn parse_jobs(text: &str) -> Result<usize, String> {
    let jobs = text.parse().ok().filter(|jobs| (1..=1024).contains(jobs));
    jobs.ok_or_else(|| "allowed: a whole number from 1 to 1024".to_owned())
}

/// Reads how many of something are enough: at least one.
pub(crate) fn parse_count(text: &str) -> Result<u64, String> {
    let count = text.parse().ok().filter(|count| *count > 0);
    count.ok_or_else(|| "allowed: a whole number from 1 on".to_owned())
}

/// The argument of `replay`: a seed, or a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Artefact {
    Seed(u64),
    File(String),
}

impl FromStr for Artefact {
    type Err = String;

    fn from_str(text: &str) -> Result<Artefact, String> {
        let allowed = "allowed: seed:N, as seed:12049 or seed:0x2f11, below 2^64, or a file that \
            ends in .tide";
        match text.strip_prefix("seed:") {
            Some(seed) => Ok(Artefact::Seed(parse_number(seed).map_err(|_| allowed)?)),
            None if text.ends_with(".tide") => Ok(Artefact::File(text.to_owned())),
            None => Err(allowed.to_owned()),
        }
    }
}

/// A whole number within bounds.
pub(crate) fn parse_within(text: &str, allowed: RangeInclusive<u32>) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| allowed.contains(number));
    number.ok_or_else(|| match (allowed.start(), allowed.end()) {
        (start, end) if start == end => format!("allowed: {start}"),
        (start, end) => format!("allowed: a whole number from {start} to {end}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_a_range_that_is_not_empty() {
        assert_eq!("0..3000".parse(), Ok(Seeds { start: 0, end: Some(3000) }));
        assert_eq!("0x10..0x20".parse(), Ok(Seeds { start: 16, end: Some(32) }));
        assert_eq!("7..".parse(), Ok(Seeds { start: 7, end: None }));
        let last = u64::MAX;
        assert_eq!(format!("0..{last}").parse(), Ok(Seeds { start: 0, end: Some(last) }));
        for wrong in
            ["", "7", "..7", "7..7", "8..7", "-1..3", "a..b", "1..2..3", "0..18446744073709551616"]
        {
            assert!(wrong.parse::<Seeds>().unwrap_err().contains("allowed"), "{wrong}");
        }
    }

    #[test]
    fn times_have_a_unit_and_are_not_zero() {
        assert_eq!("500ms".parse(), Ok(WallTime { millis: 500 }));
        assert_eq!("10s".parse(), Ok(WallTime { millis: 10_000 }));
        assert_eq!("2h".parse(), Ok(WallTime { millis: 7_200_000 }));
        for wrong in ["", "10", "s", "0s", "-1s", "1.5s", "10 s", "9999999999999999999h"] {
            assert!(wrong.parse::<WallTime>().unwrap_err().contains("allowed"), "{wrong}");
        }
    }

    #[test]
    fn shares_are_exact() {
        let ppm = |ppm| Ok(Share::from_ppm(ppm).unwrap());
        assert_eq!(parse_share("1%"), ppm(10_000));
        assert_eq!(parse_share("0.5%"), ppm(5_000));
        assert_eq!(parse_share("0.0001%"), ppm(1));
        assert_eq!(parse_share("100%"), ppm(1_000_000));
        assert_eq!(parse_share("0%"), ppm(0));
        for wrong in ["", "%", "1", "101%", "100.1%", "0.00001%", ".5%", "1.%", "-1%", "1e2%"] {
            assert!(parse_share(wrong).unwrap_err().contains("allowed"), "{wrong}");
        }
    }

    #[test]
    fn an_artefact_is_a_seed_or_a_tide_file() {
        assert_eq!("seed:0x2f11".parse(), Ok(Artefact::Seed(0x2f11)));
        assert_eq!("seed:12049".parse(), Ok(Artefact::Seed(12049)));
        assert_eq!("a/b.tide".parse(), Ok(Artefact::File("a/b.tide".to_owned())));
        for wrong in ["seed:", "seed:x", "seed:0x", "12049", "a.txt", ""] {
            assert!(wrong.parse::<Artefact>().is_err(), "{wrong}");
        }
    }
}
