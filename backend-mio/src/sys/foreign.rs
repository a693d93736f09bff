//! Descriptors that other code opened, and that it may share.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fstat};
use rustix::io::{FdFlags, fcntl_setfd, read, writev};
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, sendmsg};
use socket2::SockRef;

use super::options::{FdKind, set_nonblocking};
use super::socket::SEND_FLAGS;

/// A descriptor that other code opened, and whose calls do not block whatever that code does with
/// the descriptors that it kept.
///
/// `O_NONBLOCK` belongs to the open file, which descriptors of this and of other processes may
/// share: those who hold it may clear the flag, and may rely on its being clear. So it is neither
/// changed nor relied on where there is another way.
#[derive(Debug)]
pub(crate) struct Foreign {
    fd: OwnedFd,
    way: Way,
}

/// The reason why a call does not block.
#[derive(Debug)]
enum Way {
    /// A socket: each call says so.
    Flagged,
    /// A pipe or a terminal: it was opened once more, so the open file is our own.
    OwnFile,
    /// Anything else: the flag is set while any of ours is open, and each call asks first whether
    /// it would wait. One that another holder gets ahead of may still wait, if that holder also
    /// cleared the flag.
    SharedFile(#[expect(dead_code, reason = "its drop restores the mode")] SharedMode),
}

impl Foreign {
    /// Takes a descriptor of a file that can be polled. It is closed on exec from here on, and its
    /// close waits for nothing (`SO_LINGER` is switched off).
    pub(crate) fn take(fd: OwnedFd, kind: FdKind) -> io::Result<Self> {
        fcntl_setfd(&fd, FdFlags::CLOEXEC)?;
        if kind == FdKind::StreamSocket {
            SockRef::from(&fd).set_linger(None)?;
            return Ok(Self { fd, way: Way::Flagged });
        }
        match open_again(fd.as_fd()) {
            Some(own) => Ok(Self { fd: own, way: Way::OwnFile }),
            None => {
                let mode = SharedMode::set(&fd)?;
                Ok(Self { fd, way: Way::SharedFile(mode) })
            }
        }
    }

    /// Reads what is there.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.way {
            Way::Flagged => {
                let (_filled, count) = recv(&self.fd, buffer, RecvFlags::DONTWAIT)?;
                return Ok(count);
            }
            Way::OwnFile => {}
            Way::SharedFile(_) => self.refuse_to_wait(PollFlags::IN)?,
        }
        Ok(read(&self.fd, buffer)?)
    }

    /// Writes what there is room for.
    pub(crate) fn write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match &self.way {
            Way::Flagged => {
                let flags = SEND_FLAGS.union(SendFlags::DONTWAIT);
                let mut nothing = SendAncillaryBuffer::default();
                return Ok(sendmsg(&self.fd, slices, &mut nothing, flags)?);
            }
            Way::OwnFile => {}
            Way::SharedFile(_) => self.refuse_to_wait(PollFlags::OUT)?,
        }
        Ok(writev(&self.fd, slices)?)
    }

    /// Answers *would block* in the place of a call that would wait, and sets the flag again if
    /// somebody cleared it.
    fn refuse_to_wait(&self, direction: PollFlags) -> io::Result<()> {
        if !fcntl_getfl(&self.fd)?.contains(OFlags::NONBLOCK) {
            set_nonblocking(&self.fd, true)?;
        }
        let mut asked = [PollFd::new(&self.fd, direction)];
        match poll(&mut asked, Some(&Timespec::default()))? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            // An end or an error is told by the call itself.
            _ready => Ok(()),
        }
    }
}

impl AsFd for Foreign {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Opens a pipe or a terminal once more: the open file is then nobody else's. `None` where the
/// system cannot do that, or where it would open something else, as it does for the master of a
/// pseudoterminal and for many devices.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn open_again(fd: BorrowedFd<'_>) -> Option<OwnedFd> {
    use std::os::fd::AsRawFd;

    use rustix::fs::{FileType, Mode, makedev, open};
    use rustix::termios::isatty;

    let status = fstat(fd).ok()?;
    let is_openable = match FileType::from_raw_mode(status.st_mode) {
        FileType::Fifo => true,
        FileType::CharacterDevice => isatty(fd) && status.st_rdev != makedev(5, 2),
        _ => false,
    };
    if !is_openable {
        return None;
    }
    let access = fcntl_getfl(fd).ok()? & OFlags::RWMODE;
    let flags = access | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    open(path, flags, Mode::empty())
        .inspect_err(|error| tracing::debug!(%error, "the mode of an adopted file is shared"))
        .ok()
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn open_again(_fd: BorrowedFd<'_>) -> Option<OwnedFd> {
    None
}

/// A file's device and number.
type FileKey = (u64, u64);

/// The files whose mode was changed, with how many of ours hold each of them. Two descriptors may
/// be of one open file, in whichever runtime of the process they are, and the system does not tell.
/// So all those of one file count together: rather is a mode left as it is than restored too early.
static SHARED_FILES: Mutex<BTreeMap<FileKey, usize>> = Mutex::new(BTreeMap::new());

/// Keeps an open file non-blocking; the last of those of one file restores the mode.
#[derive(Debug)]
struct SharedMode {
    key: FileKey,
    /// `None` if the file did not block before any of ours came.
    to_restore: Option<OwnedFd>,
}

impl SharedMode {
    fn set(fd: &OwnedFd) -> io::Result<Self> {
        let status = fstat(fd)?;
        let key = (status.st_dev, status.st_ino);
        let mut files = SHARED_FILES.lock().unwrap_or_else(PoisonError::into_inner);
        let was_nonblocking = fcntl_getfl(fd)?.contains(OFlags::NONBLOCK);
        let is_ours = files.contains_key(&key);
        let to_restore = match was_nonblocking && !is_ours {
            true => None,
            false => Some(fd.try_clone()?),
        };
        set_nonblocking(fd, true)?;
        *files.entry(key).or_insert(0) += 1;
        Ok(Self { key, to_restore })
    }
}

impl Drop for SharedMode {
    fn drop(&mut self) {
        let mut files = SHARED_FILES.lock().unwrap_or_else(PoisonError::into_inner);
        let holders = files.get_mut(&self.key).expect("it was counted");
        *holders -= 1;
        if *holders > 0 {
            return;
        }
        files.remove(&self.key);
        if let Some(fd) = &self.to_restore
            && let Err(error) = set_nonblocking(fd, false)
        {
            tracing::warn!(%error, "cannot restore the blocking mode of an adopted file");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{EventfdFlags, eventfd};
    use rustix::io::fcntl_getfd;
    use rustix::pty::{OpenptFlags, openpt};

    #[test]
    fn what_was_taken_reaches_no_child() {
        let (socket, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        let (reader, _writer) = io::pipe().unwrap();
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        let all: [(OwnedFd, FdKind); 3] = [
            (socket.into(), FdKind::StreamSocket),
            (reader.into(), FdKind::Other),
            (master, FdKind::Device),
        ];
        for (fd, kind) in all {
            fcntl_setfd(&fd, FdFlags::empty()).unwrap();
            let taken = Foreign::take(fd, kind).unwrap();
            assert!(fcntl_getfd(&taken).unwrap().contains(FdFlags::CLOEXEC), "{:?}", taken.way);
        }
    }

    #[test]
    fn a_shared_mode_is_restored_by_the_last_of_ours() {
        let blocks = |fd: &OwnedFd| !fcntl_getfl(fd).unwrap().contains(OFlags::NONBLOCK);
        let event = eventfd(0, EventfdFlags::empty()).unwrap();
        let take = || Foreign::take(event.try_clone().unwrap(), FdKind::Other).unwrap();
        let (first, second) = (take(), take());
        drop(first);
        assert!(!blocks(&event), "the other relies on the mode");
        let mut buffer = [0; 8];
        let error = second.read(&mut buffer).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        drop(second);
        assert!(blocks(&event), "nobody restored the mode");
    }
}
