//! Files of our own: only their owner can read them, nothing follows a symbolic link that was put
//! in their place, and what replaces a file does so whole or not at all.

use std::{
    collections::BTreeSet,
    fmt,
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use crate::{
    error::{Error, ErrorKind, Result},
    id::fill_random,
};

/// Permission bits of new files on Unix. Ignored on other systems.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileMode(u32);

impl FileMode {
    pub(crate) const fn new(mode: u32) -> Self {
        Self(mode)
    }

    /// The owner must be able to use the file, and nobody may execute it.
    pub(crate) fn check(self) -> Result<()> {
        if self.0 & 0o600 == 0o600 && self.0 & !0o666 == 0 {
            return Ok(());
        }
        let context =
            format!("file_mode({self:?}) must let the owner read and write, and have no other bits than 0o666");
        Err(Error::new(ErrorKind::Configuration, context))
    }

    /// The same for a directory: a reader of its files can enter it.
    const fn of_directory(self) -> u32 {
        self.0 | (self.0 & 0o444) >> 2
    }
}

impl Default for FileMode {
    fn default() -> Self {
        Self(0o600)
    }
}

impl fmt::Debug for FileMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#o}", self.0)
    }
}

/// Makes a file that is not there. A symbolic link counts as a file that is there.
pub(crate) fn create_new(path: &Path, mode: FileMode) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode.0);
    let file = options.open(path)?;
    // As it was asked for, whatever the process's mask takes away.
    #[cfg(unix)]
    file.set_permissions(<fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(mode.0))?;
    Ok(file)
}

/// Creates a file if it does not exist, and warns if others can read an existing one. The target of
/// a dangling link is created.
#[cfg(feature = "sqlite")]
pub(crate) fn create_if_missing(path: &Path, mode: FileMode) -> io::Result<()> {
    match create_new(path, mode) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let target = fs::read_link(path).ok().filter(|_| !path.exists());
            if let Some(target) = target {
                let target = path.parent().map_or_else(|| target.clone(), |parent| parent.join(&target));
                return create_new(&target, mode).map(drop);
            }
            warn_if_open(path, mode);
            Ok(())
        }
        made => made.map(drop),
    }
}

/// Makes a directory and those above it that are not there.
pub(crate) fn create_directories(path: &Path, mode: FileMode) -> io::Result<()> {
    if path.is_dir() {
        warn_if_open(path, FileMode(mode.of_directory()));
        return Ok(());
    }
    if let Some(parent) = path.parent().filter(|parent| *parent != Path::new("") && !parent.is_dir()) {
        create_directories(parent, mode)?;
    }
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, mode.of_directory());
    match builder.create(path) {
        Ok(()) => set_mode(path, mode.of_directory()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Says once of each file or directory that others can read it although they should not.
pub(crate) fn warn_if_open(path: &Path, mode: FileMode) {
    static WARNED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    let Some(found) = mode_of(path).filter(|found| found & !mode.0 & 0o066 != 0) else { return };
    let mut warned = WARNED.lock().unwrap_or_else(PoisonError::into_inner);
    if warned.len() < MAX_WARNED && warned.insert(path.to_owned()) {
        tracing::warn!(
            path = %path.display(),
            mode = %format_args!("{found:o}"),
            wanted = %format_args!("{:o}", mode.0),
            "others can read what holds personal data: it was there before and is left as it is; chmod it"
        );
    }
}

/// The number of files that a warning names.
const MAX_WARNED: usize = 1_000;

/// A file that takes the place of another one when it is whole. One that is dropped before is
/// removed, and one that a crash has left is removed by the next replacement.
pub(crate) struct Replacement {
    file: Option<File>,
    temporary: PathBuf,
    target: PathBuf,
}

impl Replacement {
    /// Begins a file beside `target`, with a name of its own that ends with `suffix`. If there is a
    /// target, the new file gets its mode.
    pub(crate) fn begin(target: &Path, suffix: &str, mode: FileMode) -> io::Result<Self> {
        // A link that the application was given stays one: what it points to is replaced.
        let target = fs::canonicalize(target).unwrap_or_else(|_| target.to_owned());
        remove_abandoned(&target, suffix);
        let mode = match mode_of(&target) {
            Some(found) => {
                warn_if_open(&target, mode);
                FileMode(found)
            }
            None => mode,
        };
        for _ in 0..ATTEMPTS {
            let mut random = [0; 8];
            fill_random(&mut random).map_err(io::Error::other)?;
            let temporary = beside(&target, &format!(".{:016x}{suffix}", u64::from_ne_bytes(random)));
            let file = create_new(&temporary, mode)?;
            // Locked while it is in use, so that no other process takes it for abandoned.
            if file.try_lock().is_ok() && temporary.exists() {
                return Ok(Self { file: Some(file), temporary, target });
            }
        }
        Err(io::Error::other("another process keeps removing the file"))
    }

    /// A handle to write to.
    pub(crate) fn file(&self) -> io::Result<File> {
        self.file.as_ref().ok_or_else(|| io::Error::other("the file is in its place already"))?.try_clone()
    }

    /// Moves the file to its place, with all that was written on the disk. How large it is.
    pub(crate) fn finish(mut self) -> io::Result<u64> {
        let Some(file) = self.file.take() else { return Err(io::Error::other("the file is in its place already")) };
        let renamed = file.sync_all().and_then(|()| fs::rename(&self.temporary, &self.target));
        if let Err(error) = renamed {
            self.file = Some(file);
            return Err(error);
        }
        sync_directory(&self.target)?;
        Ok(file.metadata()?.len())
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if self.file.is_some() {
            // If this fails, the next one removes it.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Removes what replacements of `target` have left whose process died.
fn remove_abandoned(target: &Path, suffix: &str) {
    let (Some(parent), Some(name)) = (target.parent(), target.file_name().and_then(|name| name.to_str())) else {
        return;
    };
    let parent = if parent == Path::new("") { Path::new(".") } else { parent };
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let found = entry.file_name();
        let random = found.to_str().and_then(|found| found.strip_prefix(name)?.strip_prefix('.')?.strip_suffix(suffix));
        let is_ours =
            random.is_some_and(|random| random.len() == 16 && random.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_ours && is_file && File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok()) {
            // Somebody else may have been faster.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// So that the name of a file survives a power failure, and not only what is in it.
fn sync_directory(path: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    match path.parent() {
        Some(parent) if parent != Path::new("") => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

/// The path of a file with a longer name.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(unix)]
fn mode_of(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    Some(fs::metadata(path).ok()?.permissions().mode() & 0o777)
}

#[cfg(not(unix))]
fn mode_of(_: &Path) -> Option<u32> {
    None
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn set_mode(_: &Path, _: u32) -> io::Result<()> {
    Ok(())
}

/// How many times another process may mistake a new file for an abandoned one.
const ATTEMPTS: u32 = 5;
