//! The names of Unix-domain sockets.

use std::error::Error;
use std::fmt;
use std::path::Path;

/// The name of a Unix-domain socket: a path, or on Linux a name in the abstract namespace.
///
/// ```
/// use tidelock_core::UnixName;
/// assert_eq!(UnixName::path("/run/game.sock")?.to_string(), "/run/game.sock");
/// assert_eq!(UnixName::abstract_name(b"game")?.to_string(), "@game");
/// # Ok::<(), tidelock_core::UnixNameError>(())
/// ```
///
/// Source: POSIX `sys/un.h` for paths, Linux `unix(7)` for abstract names.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UnixName {
    /// The name as the kernel has it, without the NUL that ends a path; an abstract name begins
    /// with a NUL. Invariant: a path is not empty and contains no NUL; an abstract name has at
    /// least one byte after the first.
    bytes: Box<[u8]>,
}

impl UnixName {
    /// The longest name in bytes. This is the limit of Linux: `sun_path` has 108 bytes, one of
    /// which is the NUL before an abstract name or after a path. Other systems have less room, and
    /// refuse a longer name when it is used.
    pub const BYTES_MAX: usize = 107;

    /// Returns the name of the socket at `path`. The system resolves a relative path against the
    /// working directory at the time of use.
    ///
    /// # Errors
    /// If the path is empty, longer than [`BYTES_MAX`](Self::BYTES_MAX), or contains a NUL.
    pub fn path(path: impl AsRef<Path>) -> Result<Self, UnixNameError> {
        let bytes = path.as_ref().as_os_str().as_encoded_bytes();
        check(bytes)?;
        if bytes.contains(&0) {
            return Err(UnixNameError::HasNul);
        }
        Ok(Self { bytes: bytes.into() })
    }

    /// Returns a name in Linux's abstract namespace. It has no file and disappears with the socket;
    /// any byte is allowed, including NUL. Other systems refuse it when it is used.
    ///
    /// # Errors
    /// If the name is empty or longer than [`BYTES_MAX`](Self::BYTES_MAX).
    pub fn abstract_name(name: &[u8]) -> Result<Self, UnixNameError> {
        check(name)?;
        Ok(Self { bytes: [&[0], name].concat().into() })
    }

    /// Returns the path in the system's encoding, or `None` for an abstract name.
    pub fn path_bytes(&self) -> Option<&[u8]> {
        (self.bytes[0] != 0).then_some(&self.bytes)
    }

    /// Returns the abstract name without its leading NUL, or `None` for a path.
    pub fn abstract_bytes(&self) -> Option<&[u8]> {
        self.bytes.strip_prefix(&[0])
    }
}

fn check(bytes: &[u8]) -> Result<(), UnixNameError> {
    match bytes.len() {
        0 => Err(UnixNameError::Empty),
        length if length > UnixName::BYTES_MAX => Err(UnixNameError::TooLong { bytes: length }),
        _ => Ok(()),
    }
}

/// Escapes bytes that are not printable ASCII as in Rust's byte strings, and writes an `@` before
/// an abstract name.
impl fmt::Display for UnixName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.abstract_bytes() {
            Some(name) => write!(f, "@{}", name.escape_ascii()),
            None => self.bytes.escape_ascii().fmt(f),
        }
    }
}

impl fmt::Debug for UnixName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UnixName({self})")
    }
}

/// The reason why something is not a valid [`UnixName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnixNameError {
    /// The name is empty; the system would choose one itself.
    Empty,
    /// The name is longer than [`UnixName::BYTES_MAX`].
    TooLong {
        /// The length of the name.
        bytes: usize,
    },
    /// The path contains a NUL, at which the system would cut it off.
    HasNul,
}

impl fmt::Display for UnixNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UnixNameError::Empty => f.write_str("the name of a Unix-domain socket is empty"),
            UnixNameError::TooLong { bytes } => write!(
                f,
                "the name of a Unix-domain socket has {bytes} bytes; at most {} fit",
                UnixName::BYTES_MAX
            ),
            UnixNameError::HasNul => {
                f.write_str("the path of a Unix-domain socket has a NUL in it")
            }
        }
    }
}

impl Error for UnixNameError {}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_path_or_abstract_and_fits() {
        let path = UnixName::path("/tmp/a b\u{fc}").unwrap();
        assert_eq!(path.path_bytes(), Some("/tmp/a b\u{fc}".as_bytes()));
        assert_eq!(path.abstract_bytes(), None);
        assert_eq!(path.to_string(), "/tmp/a b\\xc3\\xbc");
        let name = UnixName::abstract_name(b"a\0b").unwrap();
        assert_eq!((name.path_bytes(), name.abstract_bytes()), (None, Some(&b"a\0b"[..])));
        assert_eq!(name.to_string(), "@a\\x00b");
        assert_ne!(UnixName::path("a").unwrap(), UnixName::abstract_name(b"a").unwrap());
        assert_eq!(UnixName::path(""), Err(UnixNameError::Empty));
        assert_eq!(UnixName::path("a\0b"), Err(UnixNameError::HasNul));
        assert_eq!(UnixName::abstract_name(b""), Err(UnixNameError::Empty));
        assert!(UnixName::path("a".repeat(107)).is_ok());
        let long = UnixName::path("a".repeat(108)).unwrap_err();
        assert_eq!(
            long.to_string(),
            "the name of a Unix-domain socket has 108 bytes; at most 107 fit"
        );
        assert!(UnixName::abstract_name(&[b'a'; 107]).is_ok());
        assert_eq!(UnixName::abstract_name(&[0; 108]), Err(UnixNameError::TooLong { bytes: 108 }));
    }
}
