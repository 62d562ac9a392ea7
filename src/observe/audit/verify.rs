//! Is the chain whole? Reads line by line, however long the files are.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use super::chain::{self, Line, START};

/// What came of looking at all files of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    pub lines: u64,
    pub files: usize,
    pub damages: Vec<Damage>,
    /// What the first file goes on from, when older ones have been removed.
    pub begins_at: Option<String>,
    /// The hash of the last line: whoever keeps it elsewhere can tell whether lines were cut off.
    pub last: String,
}

/// Where the chain is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    pub file: PathBuf,
    /// From 1.
    pub line: u64,
    pub what: &'static str,
}

/// All files of a log, oldest first, the one that is written to last.
pub fn segments(file: &Path) -> io::Result<Vec<PathBuf>> {
    let folder = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = file.file_name().map(|name| format!("{}.20", name.to_string_lossy())).unwrap_or_default();
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|own| own.to_string_lossy().starts_with(&name)) {
            found.push(path);
        }
    }
    found.sort();
    found.push(file.to_owned());
    Ok(found)
}

/// Looks at every line. `each` is told of the lines, for showing them, and of nothing else.
pub fn verify(file: &Path, mut each: impl FnMut(&str)) -> io::Result<Verdict> {
    let mut verdict = Verdict::default();
    let mut hash: Option<String> = None;
    let mut number: Option<u64> = None;
    for segment in segments(file)? {
        verdict.files += 1;
        let mut at = 0;
        let mut reader = BufReader::new(File::open(&segment)?);
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            if reader.read_until(b'\n', &mut bytes)? == 0 {
                break;
            }
            at += 1;
            verdict.lines += 1;
            let mut damage = |what| verdict.damages.push(Damage { file: segment.clone(), line: at, what });
            let whole = bytes.strip_suffix(b"\n");
            let text = whole.and_then(|bytes| std::str::from_utf8(bytes).ok());
            let Some((text, line)) = text.and_then(|text| Some((text, Line::read(text)?))) else {
                damage(if whole.is_none() { "the line is not whole" } else { "it is not a line of this log" });
                continue;
            };
            if !line.is_whole() {
                damage("the line was changed");
            }
            let own = chain::number(text);
            match &hash {
                Some(hash) if hash != line.prev => damage("lines before it were removed, added or moved"),
                Some(_) => {}
                None if line.prev != START => verdict.begins_at = Some(line.prev.to_owned()),
                None => {}
            }
            if number.is_some() && own != number.map(|number| number + 1) {
                damage("its number does not follow the one before");
            }
            hash = Some(line.hash.to_owned());
            number = own.or(number);
            each(text);
        }
    }
    verdict.last = hash.unwrap_or_else(|| START.to_owned());
    Ok(verdict)
}
