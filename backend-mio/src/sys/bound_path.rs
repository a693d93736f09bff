//! The file of a Unix-domain listener.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};

/// The file that a listener created at its path. It is removed with the listener, unless another
/// file has taken its place since.
#[derive(Debug)]
pub(crate) struct BoundPath {
    /// Absolute, so that a later change of the working directory does not affect it.
    path: PathBuf,
    /// Device and inode identify the file itself, which a path does not.
    device: u64,
    inode: u64,
}

impl BoundPath {
    /// Returns the file that a bind has just created at `path`.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        let file = fs::symlink_metadata(&path)?;
        Ok(Self { path, device: file.dev(), inode: file.ino() })
    }
}

impl Drop for BoundPath {
    fn drop(&mut self) {
        let Ok(file) = fs::symlink_metadata(&self.path) else {
            // It is gone already, which is just as well.
            return;
        };
        if (file.dev(), file.ino()) != (self.device, self.inode) {
            return;
        }
        if let Err(error) = fs::remove_file(&self.path) {
            let path = self.path.display();
            tracing::warn!(%path, %error, "cannot remove the file of a closed listener");
        }
    }
}

/// Removes the file of a dead listener: a socket that refuses connections. Any other file stays,
/// and binding there fails as it should.
///
/// Two processes that start at the same time may both get here. The one whose file the other one
/// removes then listens where no client finds it. The system has no means against that race; a
/// program that may be started twice needs a lock of its own.
pub(super) fn remove_if_abandoned(path: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Ok(());
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // A blocking connect would wait if the backlog is full. Non-blocking, it answers EAGAIN, which
    // shows that a listener is alive.
    probe.set_nonblocking(true)?;
    match probe.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        _ => Ok(()),
    }
}
