//! Where text comes from: files and the environment. Nothing else in the house reads either.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Files and environment variables, handed in.
pub trait Source {
    /// The configuration file itself. The error says in plain words why it cannot be read.
    fn document(&self, path: &Path) -> Result<Vec<u8>, String>;

    /// A file that the configuration names. `None`: files are not looked at.
    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, String>;

    /// An environment variable that the configuration names. `None`: variables are not looked at. The error says why it
    /// cannot be used.
    fn env(&self, name: &str) -> Result<Option<String>, String>;
}

/// The real files and the real environment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Files;

impl Source for Files {
    fn document(&self, path: &Path) -> Result<Vec<u8>, String> {
        read_file(path)
    }

    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, String> {
        read_file(path).map(Some)
    }

    #[expect(clippy::disallowed_methods, reason = "this is the place that reads the environment for everyone")]
    fn env(&self, name: &str) -> Result<Option<String>, String> {
        match std::env::var(name) {
            Ok(value) => Ok(Some(value)),
            Err(std::env::VarError::NotPresent) => Err("is not set".to_owned()),
            Err(std::env::VarError::NotUnicode(_)) => Err("is set, but is not UTF-8 text".to_owned()),
        }
    }
}

/// The configuration file alone: for checking where secrets and keys are not at hand.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFiles;

impl Source for NoFiles {
    fn document(&self, path: &Path) -> Result<Vec<u8>, String> {
        read_file(path)
    }

    fn read(&self, _path: &Path) -> Result<Option<Vec<u8>>, String> {
        Ok(None)
    }

    fn env(&self, _name: &str) -> Result<Option<String>, String> {
        Ok(None)
    }
}

/// Files and variables in memory, for tests.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    pub files: HashMap<PathBuf, Vec<u8>>,
    pub variables: HashMap<String, String>,
}

impl Memory {
    /// A source that holds one configuration file.
    pub fn of(path: &str, content: &str) -> Self {
        Self::default().with(path, content)
    }

    #[must_use]
    pub fn with(mut self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.insert(path.into(), content.into());
        self
    }

    #[must_use]
    pub fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }
}

impl Source for Memory {
    fn document(&self, path: &Path) -> Result<Vec<u8>, String> {
        self.files.get(path).cloned().ok_or_else(|| "it does not exist".to_owned())
    }

    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, String> {
        self.document(path).map(Some)
    }

    fn env(&self, name: &str) -> Result<Option<String>, String> {
        self.variables.get(name).cloned().map(Some).ok_or_else(|| "is not set".to_owned())
    }
}

/// Configuration, certificates and keys are small; anything larger is the wrong file.
const LARGEST: u64 = 64 << 20;

fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let about = std::fs::metadata(path).map_err(|fault| in_plain_words(&fault))?;
    if about.is_dir() {
        return Err("it is a folder".to_owned());
    }
    if about.len() > LARGEST {
        return Err("it is larger than 64MiB".to_owned());
    }
    std::fs::read(path).map_err(|fault| in_plain_words(&fault))
}

fn in_plain_words(fault: &std::io::Error) -> String {
    match fault.kind() {
        std::io::ErrorKind::NotFound => "it does not exist".to_owned(),
        std::io::ErrorKind::PermissionDenied => "this user may not read it".to_owned(),
        _ => fault.to_string(),
    }
}
