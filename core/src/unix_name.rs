//! What Unix-domain sockets are called.

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
    /// As the kernel has it, without the NUL behind a path: an abstract name begins with one.
    /// Invariant: no other NUL in a path, and something besides the first byte.
    bytes: Box<[u8]>,
}

impl UnixName {
    /// The longest name in bytes, on Linux: `sun_path` has 108, and one is the NUL before an
    /// abstract name or behind a path. Other systems take less and say so when it is used.
    pub const BYTES_MAX: usize = 107;

    /// The socket at a path. A relative one is taken from where the process is at the call.
    ///
    /// # Errors
    /// If the path is empty, longer than [`BYTES_MAX`](Self::BYTES_MAX), or has a NUL.
    pub fn path(path: impl AsRef<Path>) -> Result<Self, UnixNameError> {
        let bytes = path.as_ref().as_os_str().as_encoded_bytes();
        check(bytes)?;
        if bytes.contains(&0) {
            return Err(UnixNameError::HasNul);
        }
        assert_ne!(bytes[0], 0, "a path would be an abstract name");
        assert!(bytes.len() <= Self::BYTES_MAX, "the system has no room for it");
        Ok(Self { bytes: bytes.into() })
    }

    /// A name in Linux's abstract namespace: no file, and gone with the socket. Any byte is
    /// allowed, also NUL. Other systems refuse it when it is used.
    ///
    /// # Errors
    /// If the name is empty or longer than [`BYTES_MAX`](Self::BYTES_MAX).
    pub fn abstract_name(name: &[u8]) -> Result<Self, UnixNameError> {
        check(name)?;
        let name = Self { bytes: [&[0], name].concat().into() };
        assert!(name.path_bytes().is_none(), "an abstract name is no path");
        assert!(name.bytes.len() <= Self::BYTES_MAX + 1, "the system has no room for it");
        Ok(name)
    }

    /// The path as the system spells it; `None` for an abstract name.
    pub fn path_bytes(&self) -> Option<&[u8]> {
        assert!(!self.bytes.is_empty(), "a name has at least one byte");
        (self.bytes[0] != 0).then_some(&self.bytes)
    }

    /// The abstract name without the NUL before it; `None` for a path.
    pub fn abstract_bytes(&self) -> Option<&[u8]> {
        let name = self.bytes.strip_prefix(&[0]);
        assert!(name != Some(&[]), "an abstract name has at least one byte besides the first");
        name
    }
}

fn check(bytes: &[u8]) -> Result<(), UnixNameError> {
    match bytes.len() {
        0 => Err(UnixNameError::Empty),
        length if length > UnixName::BYTES_MAX => Err(UnixNameError::TooLong { bytes: length }),
        _ => Ok(()),
    }
}

/// What is no text is escaped as in Rust's byte strings; an abstract name stands behind an `@`.
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

/// Why something is no [`UnixName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnixNameError {
    /// It is empty; the system would give a name of its own.
    Empty,
    /// It is longer than [`UnixName::BYTES_MAX`].
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// A path with a NUL would end there.
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
