//! The file that a Unix-domain listener makes.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};

/// The file that a listener made at its path; it goes with the listener, unless another one took
/// its place meanwhile.
#[derive(Debug)]
pub(crate) struct BoundPath {
    /// Absolute, so that a change of directory does not make it another file.
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl BoundPath {
    /// What a bind just made at `path`.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        let file = fs::symlink_metadata(&path)?;
        Ok(Self { path, device: file.dev(), inode: file.ino() })
    }
}

impl Drop for BoundPath {
    fn drop(&mut self) {
        let Ok(file) = fs::symlink_metadata(&self.path) else {
            // Whoever removed it before had a reason.
            return;
        };
        if (file.dev(), file.ino()) != (self.device, self.inode) {
            return;
        }
        if let Err(error) = fs::remove_file(&self.path) {
            let path = self.path.display();
            tracing::warn!(%path, %error, "the file of a listener stays");
        }
    }
}

/// Removes the file of a listener that is gone: a socket at which nobody accepts connections.
/// Anything else stays, and binding there fails as it must.
///
/// Two processes that start at once can both come this far; the one whose file was removed
/// by the other listens where nobody finds it. Nothing that the system offers prevents that; those
/// who start the same server twice need a lock of their own.
pub(super) fn remove_if_abandoned(path: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Ok(());
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // With a full backlog a blocking connect would wait, and somebody is there.
    probe.set_nonblocking(true)?;
    match probe.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        _ => Ok(()),
    }
}
