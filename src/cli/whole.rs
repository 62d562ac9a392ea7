//! `portcullis export --all` and `portcullis import --all`: a whole authority on its way to another store.

use std::io::{self, BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{office, terminal};
use crate::authority::administration::Refused;
use crate::store::whole::grouped;

/// Rows between two words about how far it is.
const STEP: u64 = 10_000;

/// Bytes that are read and written at once.
const BUFFER: usize = 256 * 1024;

/// Writes everything to standard output, a line for each row.
pub fn export(file: PathBuf) -> ExitCode {
    office::run(&file, async |office| {
        if terminal::stdout_is_terminal() {
            return Err(Refused::Wish(
                "it is as secret as the store, and no text for a terminal: send it to a file \
                 (`umask 077; portcullis export --all > authority.jsonl`) or into a pipe"
                    .to_owned(),
            ));
        }
        let mut meter = Meter::default();
        let mut out = BufWriter::with_capacity(BUFFER, io::stdout().lock());
        let tally = office.administration.take_out(&mut out, &mut |done, of| meter.show(done, of)).await?;
        drop(out);
        meter.clear();
        complain!("exported: {tally}");
        Ok(())
    })
}

/// Fills the store of `file`, or says whether that could be.
pub fn import(path: &Path, dry_run: bool, file: PathBuf) -> ExitCode {
    office::run(&file, async |office| {
        let unreadable = |cause: io::Error| Refused::Wish(format!("`{}` cannot be read: {cause}", path.display()));
        let mut from: Box<dyn io::BufRead> = if path.as_os_str() == "-" {
            Box::new(BufReader::with_capacity(BUFFER, io::stdin().lock()))
        } else {
            Box::new(BufReader::with_capacity(BUFFER, std::fs::File::open(path).map_err(unreadable)?))
        };
        let mut meter = Meter::default();
        let told = &mut |done, of| meter.show(done, of);
        let filled = office.administration.take_in(&mut *from, dry_run, told).await;
        meter.clear();
        let filled = filled?;
        if !dry_run {
            say!("moved: {}", filled.tally);
            return Ok(());
        }
        say!("would move: {}", filled.tally);
        complain!("nothing was changed (--dry-run)");
        filled.occupied.map_or(Ok(()), |cause| Err(Refused::Wish(cause)))
    })
}

/// How far it is, for who waits at a terminal.
#[derive(Default)]
struct Meter {
    /// Of the last word.
    shown: u64,
}

impl Meter {
    fn show(&mut self, done: u64, of: u64) {
        if done / STEP > self.shown / STEP && terminal::stderr_is_terminal() {
            self.shown = done;
            terminal::meter(format_args!("\r{} of {} rows ", grouped(done), grouped(of)));
        }
    }

    fn clear(&self) {
        if self.shown > 0 {
            terminal::meter(format_args!("\r\u{1b}[K"));
        }
    }
}
